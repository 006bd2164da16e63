//! Mistakes that the macros explain. The expected messages are those of the
//! pinned compiler; `TRYBUILD=overwrite` writes them again.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_errors/*.rs");
}
