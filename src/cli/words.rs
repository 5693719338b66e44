//! Text for people: names in a row, and lines that are not too long.

/// Names as they stand in a sentence: `us`, `us and eu`, `us, eu and ap`.
pub(super) fn series<T: AsRef<str>>(names: &[T], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [all @ .., last] => {
            let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
            format!("{} {word} {}", all.join(", "), last.as_ref())
        }
    }
}

/// A text behind a head, broken into lines of that width that stand below each other.
pub(super) fn folded(head: &str, said: &str, width: usize) -> String {
    let mut text = String::new();
    let indent = " ".repeat(head.len());
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in said.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            text.push_str(line.trim_end());
            text.push('\n');
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
}

/// A word of a command line as a POSIX shell takes it (POSIX.1-2024, Shell Command Language, section 2.2.2): as it stands if nothing in it
/// means anything to a shell, else in single quotes. A name that begins with a hyphen would be an option, so it gets its folder.
pub(super) fn quoted(word: &str) -> String {
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_./,:=@%+-".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_a_word_for_what_it_is() {
        for plain in ["OLD.toml", "../a-b/NEW_2.toml", "/tmp/x,y:z@1%+=.toml"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted("my file.toml"), "'my file.toml'");
        assert_eq!(quoted("it's $HOME `id`"), "'it'\\''s $HOME `id`'");
        assert_eq!((quoted("-rf").as_str(), quoted("~/x").as_str(), quoted("").as_str()), ("./-rf", "'~/x'", "''"));
    }
}
