//! S2, S20: however a dialogue is damaged, the outcome does not depend on how it was cut, and nothing panics.

use starttls_tests::harness::mutate::mutate_directory;
use starttls_tests::harness::transcript::protocols;

#[test]
fn damaged_dialogues_come_to_the_same_however_they_are_cut() {
    for protocol in protocols() {
        mutate_directory(&protocol, 20);
    }
}
