//! Writes every page, and a page for each record named, into a folder, to be looked at:
//! `cargo run -p medshare-pages --example gallery -- FOLDER [RECORD…]`, then serve the folder.
#![allow(clippy::unwrap_used)]

#[path = "../tests/pages/sample.rs"]
mod sample;

use maud::html;
use pages::{Language, assets, frame::Site, record};
use std::{env, fs, path::Path};

fn main() {
    let mut arguments = env::args_os().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: gallery FOLDER [RECORD…]");
        std::process::exit(2);
    };
    let folder = Path::new(&folder);
    for asset in assets::ALL {
        let path = folder.join(&asset.path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, asset.bytes).unwrap();
    }
    let write = |name: &str, language: Language, html: String| {
        fs::write(
            folder.join(format!("{name}.{}.html", language.code())),
            html,
        )
        .unwrap();
    };
    let records: Vec<_> = arguments.collect();
    for language in Language::ALL {
        for (name, make) in sample::ALL {
            write(name, language, make(language, "").into_string());
        }
        for path in &records {
            let path = Path::new(path);
            let reading = record::read(&fs::read(path).unwrap());
            let frame = sample::frame(language, Site::Patient, "/records");
            let main = html! { (record::show(&reading, language)) };
            let name = path.file_name().unwrap().to_string_lossy();
            write(&name, language, frame.page(&name, &main).into_string());
        }
    }
    println!("{}", folder.display());
}
