//! What the fuzzer has found before, at every run of the tests.

use servicenow_sync_fuzz::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn nothing_in_the_corpus_breaks_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<_> = fs::read_dir(&corpus)
        .expect("a corpus")
        .map(|entry| entry.expect("a folder").file_name())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|target| target.name));
    for target in TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(corpus.join(target.name))
            .expect("a folder")
            .map(|entry| entry.expect("an input").path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} has no input", target.name);
        for input in inputs {
            let bytes = fs::read(&input).expect("an input");
            let ran = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(ran.is_ok(), "{} breaks {}", input.display(), target.name);
        }
    }
}
