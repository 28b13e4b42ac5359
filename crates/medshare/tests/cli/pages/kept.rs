//! A page keeps its home open, and everybody else gets it all the same.

use super::{Page, sample};
use crate::net::Cast;
use medshare::home::lock::Lock;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn commands_get_their_turn_beside_a_page() {
    let cast = Cast::gather();
    let net = &cast.net;
    let page = Page::open(net, "anna");
    let run = |words: &[&str]| {
        let own = ["--home", "anna", "--lock-wait", "60"];
        net.run(&[words, &own].concat()).ok()
    };
    assert_eq!(page.get("/records").status, 200);
    let refused = fs::File::open(net.path("anna/lock")).unwrap().try_lock();
    assert!(refused.is_err(), "the page keeps the home");
    // What a command writes is on the page.
    run(&["contact", "add", "riverside", &cast.hospital]);
    let record = cast.publish(&sample());
    run(&["record", "accept", "--all"]);
    let text = page.get("/records").text();
    assert!(text.contains("Record from riverside"), "{text}");
    assert_eq!(page.get(&format!("/records/{record}")).status, 200);
    // Also while the page is asked without a pause.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::SeqCst) {
                assert_eq!(page.get("/records").status, 200);
                asked += 1;
            }
            asked
        });
        for number in 0..5 {
            run(&["contact", "add", &format!("friend-{number}"), &cast.agent]);
        }
        done.store(true, Ordering::SeqCst);
        assert!(asker.join().unwrap() > 0);
    });
    // A key that a command replaced is the page's key, too.
    run(&["account", "rotate-key", "--kind", "operation"]);
    let csrf = page.get("/backup").csrf();
    let came = page.post("/backup/now", &format!("csrf={csrf}"));
    assert_eq!(came.status, 303, "{}", came.text());
    page.end();
    // Nothing is left in the home that says who waited.
    let names = net.listing("anna");
    assert!(!names.iter().any(|name| name.contains("want")), "{names:?}");
    run(&["contact", "list"]);
}

/// The loop looks at what is new, and does not forget what could not be accepted before.
#[test]
fn what_waited_is_accepted_once_its_hospital_is_listed() {
    let cast = Cast::gather();
    let net = &cast.net;
    let list = |verb: &str| {
        let words = ["wallet", "hospital", verb, &cast.hospital, "--home", "anna"];
        net.run(&[&words[..], &["--lock-wait", "60"]].concat()).ok();
    };
    list("remove");
    let page = Page::open(net, "anna");
    let until = |accepted: usize, all: usize| {
        let mut text = String::new();
        for _ in 0..600 {
            text = page.get("/records").text();
            let found = (
                text.matches(">accepted<").count(),
                text.matches("href=\"/records/").count(),
            );
            if found == (accepted, all) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{accepted} of {all} were never accepted: {text}");
    };
    cast.publish(&net.write("one.txt", "the first"));
    until(0, 1);
    // Rounds go by in which it is not new any more.
    cast.ask(&["document"]);
    list("add");
    cast.publish(&net.write("two.txt", "the second"));
    until(2, 2);
    page.end();
}

#[test]
fn a_vault_that_was_put_back_is_the_one_that_counts() {
    let cast = Cast::gather();
    let net = &cast.net;
    let page = Page::open(net, "anna");
    let (vault, copy) = (net.path("anna/vault.redb"), net.path("copy.redb"));
    {
        let _taken = Lock::take(&net.path("anna/lock"), PATIENCE).unwrap();
        fs::copy(&vault, &copy).unwrap();
    }
    assert_eq!(page.get("/records").status, 200);
    fs::rename(&copy, &vault).unwrap();
    assert_eq!(page.get("/records").status, 200);
    // The file that is gone is not read, or written, any more.
    let open = fs::read_dir(format!("/proc/{}/fd", page.process.child.id())).unwrap();
    let open: Vec<String> = open
        .filter_map(|entry| {
            Some(
                fs::read_link(entry.ok()?.path())
                    .ok()?
                    .display()
                    .to_string(),
            )
        })
        .filter(|path| path.contains("vault.redb"))
        .collect();
    assert!(
        !open.is_empty() && !open.iter().any(|path| path.contains("deleted")),
        "{open:?}"
    );
    page.end();
}
