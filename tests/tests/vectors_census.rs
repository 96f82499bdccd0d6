//! The recordings are all there, and are what their README says.

use std::collections::BTreeMap;
use std::fs;

use soap_session_tests::{
    Census, Direction, FAMILIES, Recording, StartLine, Verdict, census, directories, secured, vectors_root, verdicts,
};

#[test]
fn the_readme_counts_every_recording() {
    let census = census().unwrap();
    for family in FAMILIES {
        assert!(census.iter().any(|c| c.name.starts_with(family)), "{family} is empty");
    }
    let with_secrets = FAMILIES.iter().flat_map(|family| secured(family).unwrap()).collect::<Vec<_>>();
    for c in &census {
        assert!(c.messages > 0, "{} is empty", c.name);
        assert_eq!(
            c.secured > 0,
            with_secrets.contains(&c.name),
            "{}: secrets, and messages to open with them",
            c.name
        );
    }
    let table = table(&census);
    let readme = fs::read_to_string(vectors_root().join("README.md")).unwrap();
    assert!(readme.contains(&table), "tests/vectors/README.md should hold this table:\n{table}");
}

/// The census as Markdown: one row a recording, and the totals.
fn table(census: &[Census]) -> String {
    let mut out = String::from("| recording | messages | secured | unsecured | decrypted |\n|---|---|---|---|---|\n");
    let sum = |f: fn(&Census) -> usize| census.iter().map(f).sum::<usize>();
    let row = |name: &str, n: [usize; 4]| format!("| {name} | {} | {} | {} | {} |\n", n[0], n[1], n[2], n[3]);
    for c in census {
        out += &row(&c.name, [c.messages, c.secured, c.unsecured, c.decrypted]);
    }
    let name = format!("all {}", census.len());
    out + &row(&name, [sum(|c| c.messages), sum(|c| c.secured), sum(|c| c.unsecured), sum(|c| c.decrypted)])
}

#[test]
fn messages_of_http_carry_heads_that_agree_with_them() {
    let mut statuses = BTreeMap::<(u16, bool), usize>::new();
    for name in ["wcf", "wcf-stories"].iter().flat_map(|f| directories(f).unwrap()) {
        let recording = Recording::open(&name).unwrap();
        // On net.tcp nothing has a head; in the duplex case both ends post.
        let framed = recording.messages.iter().all(|m| m.head.is_none());
        for message in recording.messages.iter().filter(|_| !framed) {
            let head = message.head.as_ref().unwrap_or_else(|| panic!("{name}/{}: no head", message.file));
            match &head.start {
                StartLine::Request { method, .. } => assert_eq!(method, "POST"),
                StartLine::Status(status) => {
                    let empty = message.bytes.is_empty();
                    *statuses.entry((*status, empty)).or_default() += 1;
                    assert_eq!(head.content_type().is_none(), empty, "{name}/{}", message.file);
                }
            }
            if let Some(length) = head.field("content-length") {
                assert_eq!(length, message.bytes.len().to_string(), "{name}/{}", message.file);
            }
        }
    }
    // An empty 200 is what the recorded server's HTTP made of an exchange that its application aborted.
    let expected = [((200, false), 1394), ((200, true), 17), ((202, true), 130), ((500, false), 111)];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_bootstrap_of_wcf_has_its_secrets() {
    let (mut wrapped, mut issued, mut derived) = (0, 0, 0);
    for name in ["wcf", "wcf-stories"].iter().flat_map(|f| secured(f).unwrap()) {
        let secrets = Recording::open(&name).unwrap().secrets().unwrap();
        for (_, keys) in secrets.iter() {
            wrapped += usize::from(keys.encrypted_key.is_some());
            derived += keys.derived.len();
            assert!(keys.derived.iter().all(|d| d.key.len() == d.length));
        }
        for (_, context) in secrets.issued() {
            issued += 1;
            assert_eq!(context.client_entropy.len(), context.key.len());
            assert_eq!(secrets.context(&context.identifier, context.instance.as_deref()), Some(context), "{name}");
        }
    }
    assert_eq!((wrapped, issued, derived), (269, 126, 2975));
}

#[test]
fn the_verdicts_name_messages_that_exist() {
    let rows = verdicts().unwrap();
    let mut counts = BTreeMap::<Verdict, usize>::new();
    let mut opened = BTreeMap::<String, Recording>::new();
    for row in &rows {
        *counts.entry(row.verdict).or_default() += 1;
        let recording = opened
            .entry(row.story.clone())
            .or_insert_with(|| Recording::open(&format!("wcf-stories/{}", row.story)).unwrap());
        let number = |file: &str| file.split('-').next().unwrap().parse::<u32>().unwrap();
        let request = recording.message(number(&row.request), Direction::ClientToServer).unwrap();
        assert_eq!(row.request.contains("rewritten"), request.rewritten.is_some());
        let Some(reply) = &row.reply else { continue };
        let reply = recording.message(number(reply), Direction::ServerToClient).unwrap();
        assert_eq!(row.status, reply.head.as_ref().and_then(|h| h.status()), "{}/{}", row.story, reply.file);
        assert_eq!(row.reply_secured, (!reply.bytes.is_empty()).then(|| reply.is_secured()));
        assert_eq!(row.verdict == Verdict::Refused, row.reply_secured == Some(false));
    }
    let expected = [
        (Verdict::Accepted, 423),
        (Verdict::Refused, 24),
        (Verdict::RenewNeeded, 1),
        (Verdict::TooBusy, 2),
        (Verdict::Lost, 7),
        (Verdict::NoAnswer, 2),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn copies_of_the_proxy_are_byte_for_byte() {
    let mut copies = 0;
    for name in directories("wcf-stories").unwrap() {
        let recording = Recording::open(&name).unwrap();
        for copy in recording.messages.iter().filter(|m| m.proxy.starts_with("duplicate of #")) {
            let number = copy.proxy.split(['#', ' ']).filter_map(|word| word.parse().ok()).next().unwrap();
            let original = recording.message(number, copy.direction).unwrap();
            assert_eq!(copy.bytes, original.bytes, "{name}/{}", copy.file);
            copies += 1;
        }
    }
    assert_eq!(copies, 9);
}
