//! Which identifier of ours stands for which recorded one. Messages are compared byte for byte but for these, and the address.

use std::collections::HashMap;

/// What identifiers begin with: names, and the Ids of WS-Security, which have a number at the end.
const BEGINNINGS: [&str; 2] = ["urn:uuid:", "uuid-"];
/// Length of what follows.
const GUID: usize = 36;

/// The length of the identifier that a text begins with.
fn identifier(text: &str) -> Option<usize> {
    let begins = BEGINNINGS.iter().find(|begins| text.starts_with(**begins))?.len();
    let guid = text.get(begins..begins + GUID)?;
    if !guid.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-') {
        // A second beginning inside: it is no identifier.
        return None;
    }
    let number = text[begins + GUID..].strip_prefix('-').filter(|_| text.starts_with("uuid-"));
    let number = number.map_or(0, |number| 1 + number.bytes().take_while(u8::is_ascii_digit).count());
    Some(begins + GUID + number)
}

/// The identifiers that are known, and the address of the service.
#[derive(Debug, Default)]
pub(crate) struct Names {
    to_ours: HashMap<String, String>,
    to_theirs: HashMap<String, String>,
    /// The authority of the service here.
    pub(crate) our_authority: String,
}

/// The text between identifiers, and the identifiers.
fn split(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut between, mut names, mut rest) = (Vec::new(), Vec::new(), text);
    let mut from = 0;
    while let Some(at) = rest[from..].find('u').map(|at| from + at) {
        if let Some(length) = identifier(&rest[at..]) {
            between.push(&rest[..at]);
            names.push(&rest[at..at + length]);
            rest = &rest[at + length..];
            from = 0;
        } else {
            from = at + 1;
        }
    }
    between.push(rest);
    (between, names)
}

impl Names {
    /// What differs between a message of ours and a recorded one, if it is not only identifiers.
    pub(crate) fn difference(&self, ours: &str, theirs: &str) -> Option<String> {
        let theirs = self.at_our_address(theirs);
        let ours = &invariant(ours);
        let ((our_text, our_names), (their_text, their_names)) = (split(ours), split(&theirs));
        if our_text != their_text {
            let mask = |text: &[&str]| text.join("urn:uuid:#");
            return Some(apart(&mask(&our_text), &mask(&their_text)));
        }
        let mut new: HashMap<&str, &str> = HashMap::new();
        for (ours, theirs) in our_names.iter().zip(&their_names) {
            let known = self.to_theirs.get(*ours).map(String::as_str).or_else(|| new.get(ours).copied());
            let back = self.to_ours.get(*theirs).map(String::as_str);
            match (known, back) {
                (Some(known), _) if known == *theirs => {}
                (None, None) if new.values().all(|taken| taken != theirs) => {
                    new.insert(ours, theirs);
                }
                _ => return Some(format!("identifier {ours} stands for {known:?}, and not for {theirs}")),
            }
        }
        None
    }

    /// From now on the identifiers of these two, which do not differ otherwise, stand for each other.
    pub(crate) fn learn(&mut self, ours: &str, theirs: &str) {
        let (our_names, their_names) = (split(ours).1, split(theirs).1);
        for (ours, theirs) in our_names.into_iter().zip(their_names) {
            self.bind(ours, theirs);
        }
    }

    /// The recorded service listened on another port, and the recorder on a third one.
    fn at_our_address(&self, theirs: &str) -> String {
        let mut parts = theirs.split("127.0.0.1:");
        let mut ours = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            ours.push_str(&self.our_authority);
            ours.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
        }
        ours
    }

    fn bind(&mut self, ours: &str, theirs: &str) {
        self.to_theirs.entry(ours.to_owned()).or_insert_with(|| theirs.to_owned());
        self.to_ours.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
    }

    /// A recorded message with our identifiers in it. Those that are new are the peer's own, and stay what they are.
    pub(crate) fn translate(&mut self, theirs: &str) -> String {
        let theirs = self.at_our_address(theirs);
        let (between, names) = split(&theirs);
        let mut ours = String::new();
        for (index, text) in between.iter().enumerate() {
            ours.push_str(text);
            if let Some(name) = names.get(index) {
                self.bind(name, name);
                ours.push_str(&self.to_ours[*name]);
            }
        }
        ours
    }
}

/// The recorder's machine had no culture, where ours says that a fault's text is English.
fn invariant(ours: &str) -> String {
    ours.replace("<faultstring xml:lang=\"en-US\">", "<faultstring>").replace("xml:lang=\"en-US\"", "xml:lang=\"\"")
}

/// Where two texts part, and how they go on.
fn apart(ours: &str, theirs: &str) -> String {
    let same = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let from = same.saturating_sub(40);
        String::from_utf8_lossy(text.as_bytes().get(from..text.len().min(same + 260)).unwrap_or_default()).into_owned()
    };
    format!("at octet {same}: ours ...{}... theirs ...{}...", part(ours), part(theirs))
}
