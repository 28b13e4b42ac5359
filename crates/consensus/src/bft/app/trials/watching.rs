//! A validator that lost its memory of votes waits for a height above what the others show.

use super::{halt::tip, two::Two};
use crate::bft::{Lost, app::Watch, stream::Numbers};

/// Only what is certified counts: a height that never comes would be waited for without end.
#[test]
fn a_made_up_height_does_not_keep_it_from_voting() {
    let mut two = Two::new();
    two.other.app_mut().watch = Some(Watch::of(Lost::Journal));
    let head = two.other.head();
    let mut far = head.clone();
    far.header.height += 1_000_000;
    let mut numbers = Numbers::new(8);
    let mut shows = |two: &mut Two, head, by| {
        assert_eq!(two.hears(vec![numbers.single(tip(head, by))]), []);
        let standing = two.other.app().shared.standing().clone();
        standing.watching.and_then(|watching| watching.until)
    };
    assert_eq!(shows(&mut two, far, 0), None);
    for by in [2, 3] {
        assert_eq!(shows(&mut two, head.clone(), by), None);
    }
    // The liar comes to its senses: three of four are seen, at the height before the first.
    assert_eq!(shows(&mut two, head, 0), Some(2));
}
