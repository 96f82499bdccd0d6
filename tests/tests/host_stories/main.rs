use soap_session_tests::host_replay::{Narrative, play};
#[test]
fn all() {
    let names: Vec<String> = std::env::var("STORY").map(|s| s.split(' ').map(str::to_owned).collect()).unwrap_or_default();
    for name in names {
        let name = format!("wcf-stories/{name}");
        let ours = play(&name);
        let theirs = Narrative::recorded(&name);
        println!("STORY {name} {} lines", theirs.len());
        for w in ours.differences(&theirs) { println!("   {w}"); }
        if std::env::var("FULL").is_ok() { println!("{ours:#?}\n{theirs:#?}"); }
    }
}
