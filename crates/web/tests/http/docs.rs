//! `/docs/`: the calls, and what they mean.

use std::{fs, path::Path};

use vestibule_testkit::on_each_engine;

/// The targets of the links of a page.
fn links(html: &str) -> Vec<String> {
    let ends = html.split("href=\"").skip(1);
    ends.map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

/// Names of tests between backticks, as `oauth::codes::verifiers_must_match`.
fn named(page: &str) -> Vec<&str> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with("oauth::") || text.starts_with("management::"))
        .collect()
}

/// Those of these tests that are not there: modules are files, their functions tests.
fn unknown<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http");
    let exists = |name: &str| {
        let (module, function) = name.rsplit_once("::").unwrap();
        let file = tests.join(format!("{}.rs", module.replace("::", "/")));
        fs::read_to_string(file)
            .is_ok_and(|source| source.contains(&format!("    async fn {function}(server) {{")))
    };
    names.iter().copied().filter(|name| !exists(name)).collect()
}

#[test]
fn tests_that_the_conformance_page_names_exist() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let page = fs::read_to_string(docs).unwrap();
    let names = named(&page);
    assert!(names.len() > 100, "{}", names.len());
    assert_eq!(unknown(&names), Vec::<&str>::new());
}

#[test]
fn tests_that_do_not_exist_are_noticed() {
    let page = "`oauth::codes::verifiers_must_match`, `oauth::codes::verifiers`, `oauth::odd::verifiers_must_match`, `Path::new`, oauth::out::side";
    let found = unknown(&named(page));
    assert_eq!(
        found,
        [
            "oauth::codes::verifiers",
            "oauth::odd::verifiers_must_match"
        ]
    );
}

on_each_engine! {
    async fn the_calls_and_what_they_mean_can_be_read(server) {
        let index = server.get("/docs/").send().await.expect(200);
        assert!(index.header("content-type").starts_with("text/html"));
        let pages: Vec<String> = links(&index.text()).into_iter().filter(|link| link.starts_with("/docs/")).collect();
        assert!(pages.contains(&String::from("/docs/api/predicates.md")), "{pages:?}");
        assert!(pages.contains(&String::from("/docs/conformance.md")), "{pages:?}");
        assert!(index.text().contains("Counts and content digest of everybody"));
        for path in &pages {
            let page = server.get(path).send().await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"), "{path}");
            assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
            let html = page.text();
            assert!(html.contains("<h1 id=\"") && html.contains("<table>"), "{path}");
            // What a page leads to is there too.
            for link in links(&html) {
                if link.contains("://") || link.starts_with('/') {
                    continue;
                }
                let (link, place) = link.split_once('#').unwrap_or((&link, ""));
                if link.is_empty() {
                    assert!(html.contains(&format!("id=\"{place}\"")), "{path} leads to #{place}");
                    continue;
                }
                let target = match link.strip_prefix("../") {
                    Some(rest) => format!("/docs/{rest}"),
                    None => format!("{}/{link}", path.rsplit_once('/').unwrap().0),
                };
                assert!(pages.contains(&target), "{path} leads to {link}");
                if !place.is_empty() {
                    let there = server.get(&target).send().await.expect(200).text();
                    assert!(there.contains(&format!("id=\"{place}\"")), "{path} leads to {link}#{place}");
                }
            }
        }
        let predicates = server.get("/docs/api/predicates.md").send().await.expect(200).text();
        assert!(predicates.contains("<title>Predicates · Vestibule</title>"), "{predicates}");
        assert!(predicates.contains("<code>emailDomain</code>"), "{predicates}");
        assert!(predicates.contains("\"adult\" in roles"), "{predicates}");
    }

    async fn other_files_are_no_pages(server) {
        for path in ["/docs/api/odd.md", "/docs/operations.md", "/docs/..%2FREADME.md", "/docs/adr/004-jobs.md", "/docs/formats/predicates.md", "/docs/api/..%2F..%2FCargo.toml"] {
            server.get(path).send().await.expect(404);
        }
    }
}
