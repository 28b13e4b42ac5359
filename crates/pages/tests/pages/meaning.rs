//! What every page says: landmarks, headings, labels, languages; and that text stays text.

use pages::{Language, frame::Site};

use crate::{
    document::{Element, check},
    sample,
};

#[test]
fn every_page_is_well_made_in_every_language() {
    for (name, make) in sample::ALL {
        let [english, german] = Language::ALL.map(|language| {
            println!("{name} {}", language.code());
            check(&make(language, "").into_string(), language.tag()).text()
        });
        assert_ne!(english, german, "{name}");
    }
}

#[test]
fn text_from_outside_is_text() {
    for hostile in HOSTILE {
        for (name, make) in sample::ALL {
            println!("{name}: {hostile}");
            let page = check(&make(Language::English, hostile).into_string(), "en-GB");
            let bold = page.all().iter().any(|element| element.name == "b");
            assert!(!bold, "{name}: markup came through");
        }
    }
    // And it is there, to be read.
    let page = sample::ALL
        .iter()
        .find(|(name, _)| *name == "patient-request")
        .unwrap();
    let page = check(
        &(page.1)(Language::English, HOSTILE[0]).into_string(),
        "en-GB",
    );
    assert!(page.text().contains(HOSTILE[0]));
}

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)><b>",
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "</title></textarea></style><!--<b>",
    "&lt;b&gt; &#60;b&#62;",
    "\u{202e}gnp.exe\u{200b}",
];

#[test]
fn the_menu_says_where_one_is() {
    for (site, here) in [
        (Site::Patient, "/grants"),
        (Site::Hospital, "/agent"),
        (Site::Researcher, "/asked"),
        (Site::Auditor, "/verify"),
    ] {
        let frame = sample::frame(Language::German, site, here);
        let page = check(&frame.refusal(None).into_string(), "de");
        let menu = page.named("nav")[0];
        let current: Vec<&Element> = menu
            .named("a")
            .into_iter()
            .filter(|link| link.attribute("aria-current") == "page")
            .collect();
        assert_eq!(current.len(), 1);
        assert_eq!(current[0].attribute("href"), here);
        assert_eq!(menu.named("a").len(), site.menu().len());
    }
}

#[test]
fn a_request_says_what_it_would_do_before_the_button() {
    let make = sample::ALL
        .iter()
        .find(|(name, _)| *name == "patient-request")
        .unwrap()
        .1;
    let html = make(Language::English, "").into_string();
    let page = check(&html, "en-GB");
    // What, with whom, until when, what stays: in this order, all before a form.
    let mut at = 0;
    for text in [
        "Institute of Kidney Research would like to read your laboratory results, medication, specially protected data, for research.",
        "Only from records of January 2024 to November 2026.",
        "It could read them until 22 December 2026",
        "Nobody has checked these words",
        "What exactly would be shared",
        "What has been read stays read",
        "<form",
        "Yes, share this",
        "No, do not share",
    ] {
        let found = html[at..]
            .find(text)
            .unwrap_or_else(|| panic!("{text} is not there, or too late"));
        at += found;
    }
    // Specially protected data is not ticked; a conflicting agent cannot be.
    let boxes = |name: &str, value: &str| {
        let found = page.named("input").into_iter().find(|input| {
            input.attribute("name") == name && input.attribute("value").starts_with(value)
        });
        found
            .unwrap()
            .attributes
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(boxes("class", "laboratory").contains(&"checked".to_owned()));
    assert!(!boxes("class", "sensitive").contains(&"checked".to_owned()));
    let conflicting = boxes("agent", "28");
    assert!(
        conflicting.contains(&"disabled".to_owned())
            && !conflicting.contains(&"checked".to_owned())
    );
    assert!(boxes("agent", "32").contains(&"checked".to_owned()));
}

#[test]
fn what_may_be_asked_is_named_and_what_is_specially_protected_is_marked() {
    let ask = sample::ALL
        .iter()
        .find(|(name, _)| *name == "researcher-ask");
    let page = check(
        &(ask.unwrap().1)(Language::English, "").into_string(),
        "en-GB",
    );
    let tags = page.named("li");
    let tags: Vec<_> = tags
        .iter()
        .filter(|tag| tag.attribute("class").starts_with("tag"))
        .map(|tag| (tag.text(), tag.attribute("class") == "tag sensitive"))
        .collect();
    for class in [
        "laboratory results",
        "medication",
        "imaging",
        "emergency data",
    ] {
        assert!(
            tags.contains(&(class.to_owned(), false)),
            "{class}: {tags:?}"
        );
    }
    assert!(
        tags.contains(&("specially protected data".to_owned(), true)),
        "{tags:?}"
    );
    assert_eq!(
        tags.iter().filter(|(_, marked)| *marked).count(),
        1,
        "{tags:?}"
    );
    assert!(page.text().contains("must be asked for record by record"));
}

#[test]
fn the_researcher_sees_the_words_that_the_patient_will_read() {
    let by_name = |name: &str| {
        let make = sample::ALL
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap()
            .1;
        check(&make(Language::German, "").into_string(), "de")
    };
    let preview = by_name("researcher-request");
    let preview = preview
        .all()
        .into_iter()
        .find(|e| e.attribute("id") == "preview-text")
        .unwrap();
    let asked = by_name("patient-request").text();
    let sentences = preview.named("p");
    assert!(sentences.len() >= 4);
    for sentence in &sentences[..3] {
        assert!(asked.contains(&sentence.text()), "{}", sentence.text());
    }
}

#[test]
fn every_opening_has_its_proof_one_click_away() {
    let make = sample::ALL
        .iter()
        .find(|(name, _)| *name == "patient-accesses")
        .unwrap()
        .1;
    let page = check(&make(Language::English, "").into_string(), "en-GB");
    let rows = page.named("tr").len() - 1;
    let links: Vec<_> = page
        .named("a")
        .into_iter()
        .filter(|link| link.attribute("href").starts_with("/operations/bafy"))
        .map(|link| (link.attribute("href"), link.attribute("aria-label")))
        .collect();
    assert_eq!((rows, links.len()), (3, 3));
    assert!(
        links
            .iter()
            .all(|(_, label)| label.contains("November 2026"))
    );
}

#[test]
fn only_what_can_be_ended_has_a_button() {
    let make = sample::ALL
        .iter()
        .find(|(name, _)| *name == "patient-grants")
        .unwrap()
        .1;
    let page = check(&make(Language::English, "").into_string(), "en-GB");
    assert_eq!(page.named("form").len(), 2); // live, and not yet begun
    assert_eq!(page.named("article").len(), 5);
}

#[test]
fn nothing_escapes_escaping() {
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let source = std::fs::read_to_string(&path).unwrap();
            assert!(!source.contains("PreEscaped"), "{}", path.display());
        }
    }
    assert!(files > 30);
}
