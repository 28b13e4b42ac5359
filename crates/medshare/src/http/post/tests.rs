//! Letters, pins and one-time keys: order, limits, nothing given twice.

use super::*;

#[test]
fn letters_wait_in_order_and_numbers_are_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("post.redb");
    let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
    {
        let post = Post::open(&path, PostLimits::default()).unwrap();
        post.send(b, a, b"one").unwrap();
        post.send(a, b, b"other").unwrap();
        post.send(b, a, b"two").unwrap();
        post.send(b, a, b"two").unwrap();
    }
    let post = Post::open(&path, PostLimits::default()).unwrap();
    let all = post.inbox(a, 0, 1 << 20).unwrap();
    assert_eq!(all, [(1, b"one".to_vec()), (3, b"two".to_vec())]);
    assert_eq!(post.inbox(a, 0, 1).unwrap().len(), 1);
    assert_eq!(post.inbox(a, 1, 1).unwrap()[0].0, 3);
    let other = Digest::of(b"other");
    assert!(!post.delete(a, other).unwrap(), "b's letter is not a's");
    let two = Digest::of(b"two");
    assert!(post.delete(a, two).unwrap());
    assert!(!post.delete(a, two).unwrap());
    post.send(b, a, b"three").unwrap();
    assert_eq!(post.inbox(a, 1, 1).unwrap()[0].0, 4);
}

fn small() -> PostLimits {
    let room = |letters, bytes| Room { letters, bytes };
    PostLimits {
        of_box: room(5, 50),
        of_sender: room(2, 30),
        of_sender_everywhere: room(3, 40),
        prekeys: 3,
        pins: 2,
    }
}

#[test]
fn nobody_fills_anothers_box_alone() {
    let dir = tempfile::tempdir().unwrap();
    let post = Post::open(&dir.path().join("post.redb"), small()).unwrap();
    let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|n| AccountId([n; 32]));
    let full = |sent: Result<(), PostError>| matches!(sent, Err(PostError::SharesFull { .. }));
    post.send(a, b, b"1").unwrap();
    post.send(a, b, b"2").unwrap();
    assert!(full(post.send(a, b, b"3")), "two of one sender in a box");
    post.send(a, b, b"2").unwrap();
    post.send(a, c, b"3").unwrap();
    assert!(full(post.send(a, d, b"4")), "three of one sender in all");
    assert!(full(post.send(d, c, &[0; 31])), "too many bytes");
    // Others still reach b, up to what a box holds.
    post.send(c, b, b"5").unwrap();
    post.send(c, b, b"6").unwrap();
    post.send(d, b, b"7").unwrap();
    assert!(matches!(
        post.send(e, b, b"8"),
        Err(PostError::BoxFull { .. })
    ));
    // What is read makes room, for its sender as well.
    assert!(post.delete(b, Digest::of(b"1")).unwrap());
    post.send(a, b, b"9").unwrap();
    assert!(post.send(a, b, b"10").is_err());
    for letter in [&b"2"[..], b"5", b"6", b"7", b"9"] {
        assert!(post.delete(b, Digest::of(letter)).unwrap());
    }
    post.delete(c, Digest::of(b"3")).unwrap();
    let handle = post.tables.handle().unwrap();
    let view = handle.begin_read().unwrap();
    use redb::ReadableTableMetadata as _;
    assert_eq!(
        view.open_table(SUMS).unwrap().len().unwrap(),
        0,
        "sums of nobody are gone"
    );
}

#[test]
fn an_account_pins_so_much_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let post = Post::open(&dir.path().join("post.redb"), small()).unwrap();
    let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
    let pin = |who, root: &[u8]| post.add_pin(who, root, || Ok::<(), ()>(()));
    pin(a, b"1").unwrap().unwrap();
    pin(a, b"2").unwrap().unwrap();
    pin(a, b"2").unwrap().unwrap();
    assert!(matches!(
        pin(a, b"3"),
        Err(PostError::PinsFull { limit: 2 })
    ));
    pin(b, b"3").unwrap().unwrap();
    assert!(post.remove_pin(a, b"1").unwrap());
    assert!(!post.remove_pin(a, b"1").unwrap());
    pin(a, b"3").unwrap().unwrap();
    assert!(pin(a, b"4").is_err());
}

#[test]
fn bags_and_pins_belong_to_one_account() {
    let dir = tempfile::tempdir().unwrap();
    let post = Post::open(&dir.path().join("post.redb"), PostLimits::default()).unwrap();
    let (a, b, locator) = (AccountId([1; 32]), AccountId([2; 32]), Digest([3; 32]));
    post.put_bag(locator, a, b"first").unwrap();
    assert!(matches!(
        post.put_bag(locator, b, b"mine"),
        Err(PostError::NotYours)
    ));
    post.put_bag(locator, a, b"second").unwrap();
    assert_eq!(post.read_bag(locator).unwrap().unwrap(), b"second");
    assert_eq!(post.read_bag(Digest([4; 32])).unwrap(), None);
    let mut done = 0;
    let mut pin = |result: Result<(), ()>| {
        let mut act = || {
            done += 1;
            result
        };
        post.add_pin(a, b"root", &mut act).unwrap()
    };
    assert_eq!(pin(Err(())), Err(()));
    assert_eq!(pin(Ok(())), Ok(()), "what failed is not noted");
    assert_eq!(pin(Ok(())), Ok(()));
    assert_eq!(done, 2, "one that is there is not pinned again");
    assert!(!post.remove_pin(b, b"root").unwrap());
    assert!(post.remove_pin(a, b"root").unwrap());
    assert!(!post.remove_pin(a, b"root").unwrap());
}

#[test]
fn a_one_time_key_is_given_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("post.redb");
    let a = AccountId([1; 32]);
    {
        let post = Post::open(&path, PostLimits::default()).unwrap();
        assert_eq!(post.put_prekeys(a, &[vec![1], vec![2]]).unwrap(), 2);
        assert_eq!(post.take_prekey(a).unwrap(), Some(vec![1]));
    }
    let post = Post::open(&path, PostLimits::default()).unwrap();
    // Sent again after a lost answer: neither the one given away nor the other.
    assert_eq!(post.put_prekeys(a, &[vec![1], vec![2]]).unwrap(), 1);
    let many: Vec<_> = (0..10_000u64).map(|n| n.to_le_bytes().to_vec()).collect();
    assert!(matches!(
        post.put_prekeys(a, &many),
        Err(PostError::PrekeysFull { limit: 10_000 })
    ));
    assert_eq!(post.count_prekeys(a).unwrap(), 1);
    assert_eq!(post.take_prekey(AccountId([2; 32])).unwrap(), None);
    assert_eq!(post.take_prekey(a).unwrap(), Some(vec![2]));
    assert_eq!(post.take_prekey(a).unwrap(), None);
}
