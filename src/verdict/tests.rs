use super::*;
#[test]
fn pack() {
    if let Err(e) = Rules::load(&rules::PACK) {
        panic!("{e}")
    }
}
