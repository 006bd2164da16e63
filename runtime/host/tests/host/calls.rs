//! How often the Rust SDK crosses into the host. The guest is the real one; in
//! the host's place is one that answers and counts, so that the real one needs no
//! counter.

use std::collections::BTreeMap;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store, StoreContextMut};

use crate::guests::guest;

const OPERATIONS: &str = "dacapo:workflow/operations@0.1.0";
const WORKFLOW: &str = "dacapo:workflow/workflow@0.1.0";

/// Calls of each function.
type Calls = BTreeMap<String, u32>;

/// Counts a call of `operations`, and answers it: every activity returns `null`.
fn answer(mut store: StoreContextMut<'_, Calls>, function: &str) -> Val {
    let count = store.data_mut().entry(function.to_owned()).or_default();
    *count += 1;
    // The n-th wait is for the n-th operation.
    let operation = Val::U32(*count);
    match function {
        "start-activity" => operation,
        "next" => {
            let result = Val::List(b"null".iter().copied().map(Val::U8).collect());
            let completion = Val::Record(vec![
                ("operation".to_owned(), operation),
                ("outcome".to_owned(), Val::Result(Ok(Some(Box::new(result))))),
            ]);
            Val::Variant("completed".to_owned(), Some(Box::new(completion)))
        }
        _ => panic!("a step has no use for `{function}`"),
    }
}

/// Runs a workflow of `steps` to its end.
fn calls_of(workflow: &str, input: &str) -> Calls {
    let engine = Engine::default();
    let component = Component::new(&engine, guest("steps").bytes).expect("a component");
    let mut linker = Linker::new(&engine);
    let imports = component.component_type();
    let Some(ComponentItem::ComponentInstance(operations)) =
        imports.get_import(&engine, OPERATIONS).map(|import| import.ty)
    else {
        panic!("{OPERATIONS} is not imported");
    };
    let mut instance = linker.instance(OPERATIONS).expect("nothing is there yet");
    for (function, item) in operations.exports(&engine) {
        let ComponentItem::ComponentFunc(_) = item.ty else { continue };
        let name = function.to_owned();
        let counted =
            move |store: StoreContextMut<'_, Calls>, _, _: &[Val], results: &mut [Val]| {
                results[0] = answer(store, &name);
                Ok(())
            };
        instance.func_new(function, counted).expect("a function");
    }
    // WASI and all else: a call of it traps.
    linker.define_unknown_imports_as_traps(&component).expect("stubs");

    let mut store = Store::new(&engine, Calls::new());
    let instance = linker.instantiate(&mut store, &component).expect("an instance");
    let exported = instance.get_export_index(&mut store, None, WORKFLOW).expect("workflows");
    let run = instance.get_export_index(&mut store, Some(&exported), "run").expect("run");
    let run = instance.get_func(&mut store, run).expect("a function");
    let input = Val::List(input.bytes().map(Val::U8).collect());
    let mut ended = [Val::Bool(false)];
    run.call(&mut store, &[Val::String(workflow.to_owned()), input], &mut ended).expect("no trap");
    assert!(matches!(&ended[0], Val::Variant(how, _) if how == "completed"), "{ended:?}");
    store.into_data()
}

/// Against an SDK that asks for the time, for randomness, or twice for what it
/// could get at once: each call costs a step a change of worlds.
#[test]
fn a_step_is_two_host_calls_and_nothing_else_of_the_world() {
    let ten_steps = calls_of("sequential", r#"{"steps": 10}"#);
    let each = |function: &str| (function.to_owned(), 10);
    assert_eq!(ten_steps, Calls::from([each("start-activity"), each("next")]));
}
