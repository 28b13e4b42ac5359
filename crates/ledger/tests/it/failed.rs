//! What fails leaves nothing behind, however far its rule had come.

use base::operation::RotateScope;
use ledger::Failure;

use crate::world::*;

/// A grant over two scopes takes room under one after the other; either may be the one
/// that refuses.
#[test]
fn a_grant_that_the_second_scope_refuses_takes_no_room_under_the_first() {
    for (retired, other) in [("s", "t"), ("t", "s")] {
        let mut world = World::cast();
        let rotate = RotateScope {
            sid: sid(retired),
            next: sid("next"),
        };
        world.ok("pat", rotate);
        let request = world.request("institute", "pat");
        let terms = world.terms(request, &["s", "t"], &["ag"]);
        world.fails("pat", authorizing(terms), Failure::RetiredScope);
        assert_eq!(world.view().scope(id("pat"), sid(other)).unwrap(), None);
    }
}
