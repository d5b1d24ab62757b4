//! The rules of the house, read off the source tree: what may name what, what is said where, what every file and
//! fixture has. Each rule is a function from text to breaches, and is tried on a bad sample before the tree, so that a
//! checker that has gone blind fails too.

mod breach;
mod circles;
mod comments;
mod docs;
mod fixtures;
mod limits;
mod manifest;
mod places;
mod providers;
mod rooms;
mod shape;
mod source;
mod tree;
mod wording;
mod words;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use breach::{Breach, none};
use source::Source;

/// Every Rust file of the repository, read once.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let files = tree::texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    let sources: Vec<Source> = files.map(|(path, text)| Source::read(&path, text)).collect();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "src/lib.rs was not found: nothing was checked");
    sources
}

fn in_every_source(rule: fn(&Source) -> Vec<Breach>) {
    none(sources().iter().flat_map(rule).collect());
}

fn in_every_text(rule: fn(&str, &str) -> Vec<Breach>) {
    none(tree::texts().iter().flat_map(|(path, text)| rule(path, text)).collect());
}

fn text_of(path: &str) -> String {
    tree::texts()
        .into_iter()
        .find(|(found, _)| found == path)
        .map_or_else(|| panic!("{path} is missing, or is not text"), |(_, text)| text)
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    in_every_source(shape::opening_and_length);
}

#[test]
fn every_limit_stands_in_the_table_as_the_code_has_it() {
    let path = "docs/operating.md";
    none(limits::table(path, &text_of(path), sources()));
}

#[test]
fn comments_are_plain() {
    in_every_text(comments::wording);
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    in_every_source(shape::unfinished);
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    in_every_source(rooms::directions);
}

#[test]
fn no_room_may_name_one_that_it_does_not_name() {
    none(rooms::unused_permits(sources()));
}

#[test]
fn no_two_modules_of_a_room_need_each_other() {
    none(circles::circles(sources()));
}

#[test]
fn libraries_and_the_machine_are_used_where_they_belong() {
    in_every_source(places::libraries);
}

#[test]
fn a_provider_is_named_in_its_folder_and_in_two_lists() {
    in_every_source(providers::strangers);
    for (kind, folder) in [("Stripe", "stripe"), ("Paystack", "paystack")] {
        let lines = |path: &str| providers::entries(&text_of(path), kind, folder);
        // Its line in the list; its folder and its implementation.
        assert_eq!((lines("src/domain/provider.rs"), lines("src/providers/mod.rs")), (1, 2), "{kind}");
    }
}

#[test]
fn sql_is_written_in_the_store() {
    in_every_source(places::sql);
}

#[test]
fn error_statuses_are_chosen_in_one_place() {
    in_every_source(places::statuses);
}

#[test]
fn every_dependency_says_why_it_is_there() {
    none(manifest::dependencies("Cargo.toml", &text_of("Cargo.toml")));
}

#[test]
fn migrations_are_numbered_and_compiled_in() {
    let code: String =
        tree::texts().into_iter().filter(|(path, _)| path.starts_with("src/store/")).map(|(_, t)| t).collect();
    none(manifest::migrations(&tree::paths(), &code));
}

#[test]
fn the_image_is_built_from_files_that_are_there() {
    let (dockerfile, ignored) = (text_of("Dockerfile"), text_of(".dockerignore"));
    none(manifest::image(&dockerfile, &ignored, &text_of("Cargo.toml"), &tree::paths()));
}

#[test]
fn what_people_run_has_no_features_of_tests() {
    none(manifest::default_features(&text_of("Cargo.toml"), &text_of("Dockerfile")));
}

#[test]
fn every_fixture_is_whole() {
    none(fixtures::whole(&tree::paths()));
}

#[test]
fn every_fixture_says_where_its_form_comes_from() {
    in_every_text(fixtures::origins);
}

#[test]
fn fixtures_are_kept_byte_for_byte() {
    none(fixtures::protected(&text_of(".gitattributes")));
}

#[test]
fn no_text_names_a_machine_a_person_or_a_key() {
    in_every_text(wording::foreign);
}

/// Every document, by its path.
fn documents() -> BTreeMap<String, String> {
    tree::texts().into_iter().filter(|(path, _)| path.ends_with(".md")).collect()
}

/// Documents for whoever sets up, runs or tries the bridge: what they quote, a user meets.
fn is_for_users(path: &str) -> bool {
    path == "README.md" || path == "SECURITY.md" || path == "CHANGELOG.md" || path.starts_with("docs/")
}

#[test]
fn documents_name_files_that_exist() {
    let paths = tree::paths();
    none(documents().iter().flat_map(|(path, text)| docs::dead_paths(path, text, &paths)).collect());
}

#[test]
fn links_of_documents_lead_somewhere() {
    let (paths, all) = (tree::paths(), documents());
    none(all.iter().flat_map(|(path, text)| docs::dead_links(path, text, &paths, &all)).collect());
}

#[test]
fn documents_name_tests_that_exist() {
    none(documents().iter().flat_map(|(path, text)| docs::dead_names(path, text, sources())).collect());
}

#[test]
fn documents_name_settings_reasons_and_states_that_exist() {
    let configuration = tree::texts().into_iter().filter(|(path, _)| path.starts_with("config/")).map(|(_, text)| text);
    let words = words::Words::read(sources(), &configuration.collect::<Vec<_>>());
    let documents = documents().into_iter().filter(|(path, _)| is_for_users(path));
    none(documents.flat_map(|(path, text)| words::unknown(&path, &text, &words)).collect());
}

#[test]
fn the_diagrams_show_the_states_of_the_code() {
    let (path, event, delivery) = ("docs/states.md", "src/domain/event.rs", "src/domain/delivery/state.rs");
    let text = text_of(path);
    none(words::diagram(path, &text, 1, &text_of(event), "EventState"));
    none(words::diagram(path, &text, 2, &text_of(delivery), "DeliveryState"));
}

#[test]
fn readme_is_a_front_page() {
    none(docs::front_page("README.md", &text_of("README.md")));
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    none(docs::contents(&documents()));
}
