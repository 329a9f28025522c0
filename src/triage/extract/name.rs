//! A test's name as a key: brackets, case, punctuation, durations and the words people put around names are gone.

/// How much of the tail counts. Outer containers differ between reporters; the tail is the test.
const TAIL: usize = 70;

/// Words around a name that say that it fails, not which test it is.
const AROUND: [&str; 14] = [
    "flaky", "flake", "flakes", "flaking", "failing", "failed", "fails", "fix", "reenable", "test",
    "tests", "it", "is", "the",
];

/// The name in lower case words, whole.
#[must_use]
pub fn words(test: &str) -> String {
    let mut plain = String::with_capacity(test.len());
    let mut depth = 0usize;
    let mut closing = test.matches(']').count();
    let mut last_space = true;
    for letter in test.chars() {
        match letter {
            '[' if closing > 0 => depth += 1,
            ']' => {
                closing -= 1;
                depth = depth.saturating_sub(1);
            }
            _ if depth > 0 => {}
            _ if letter.is_alphanumeric() => {
                plain.extend(letter.to_lowercase());
                last_space = false;
            }
            _ if !last_space => {
                plain.push(' ');
                last_space = true;
            }
            _ => {}
        }
    }
    let mut list: Vec<&str> = plain.split_whitespace().collect();
    while list.len() > 2 && (AROUND.contains(&list[list.len() - 1]) || spent(list[list.len() - 1]))
    {
        // `0.00s` came apart at its dot.
        if list.pop().is_some_and(spent) && list.len() > 2 && number(list[list.len() - 1]) {
            list.pop();
        }
    }
    let lead = list.iter().take_while(|word| AROUND.contains(word)).count();
    if list.len() > lead + 1 {
        list.drain(..lead);
    }
    list.join(" ")
}

/// The key: the tail of the words, from the beginning of a word.
#[must_use]
pub fn key(words: &str) -> &str {
    if words.len() <= TAIL {
        return words;
    }
    let mut from = words.len() - TAIL;
    while !words.is_char_boundary(from) {
        from += 1;
    }
    words[..from]
        .rfind(' ')
        .map_or(words, |space| &words[space + 1..])
}

/// `0s`, `34s`, `00s`: how long it took, by a reporter that glues it to the name.
fn spent(word: &str) -> bool {
    word.len() > 1 && word.strip_suffix('s').is_some_and(number)
}

fn number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{key, words};

    #[test]
    fn what_surrounds_a_name_is_dropped() {
        assert_eq!(
            words("[release-0.15] Flaky Test: Scheduler when Requeueing [It] Should collapse (v1)"),
            "scheduler when requeueing should collapse v1"
        );
        assert_eq!(
            words("TestScalability/WorkloadClasses/small (0.00s)"),
            "testscalability workloadclasses small"
        );
        assert_eq!(words("] x"), "x");
        assert_eq!(words(""), "");
    }

    #[test]
    fn the_key_is_the_tail_and_begins_at_a_word() {
        let long = "a b c the outer container when something should do a thing that takes very many words to say at length";
        assert_eq!(
            key(long),
            "something should do a thing that takes very many words to say at length"
        );
    }
}
