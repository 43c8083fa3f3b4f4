//! Components written by hand, for tests that need a plugin of a certain kind.

use wit_component::ComponentEncoder;
use wit_component::StringEncoding;
use wit_component::embed_component_metadata;

/// A plugin by the bodies of its functions, in WebAssembly text.
///
/// The first 64 KiB of its memory are zero up to `cabi_realloc`'s heap at 4096,
/// so a function that returns 0 returns nothing but empty strings and lists.
pub(crate) struct Plugin<'a> {
    /// Pages of memory, of 64 KiB, that are there from the start.
    pub(crate) pages: u32,
    /// Fields of the module, such as data segments.
    pub(crate) fields: &'a str,
    /// Finds room for what a call passes: takes the old pointer and size, the
    /// alignment and the new size, and returns a pointer.
    pub(crate) realloc: &'a str,
    /// Returns a pointer to a `manifest`.
    pub(crate) describe: &'a str,
    /// Returns a pointer to `result<requirements, list<problem>>`.
    pub(crate) configure: &'a str,
    /// What the constructor does with input and context before it makes the
    /// session. Of a request, 9 and 10 are the body's pointer and length.
    pub(crate) open: &'a str,
    /// Takes the session, the time and the replies, has a local `$i`, and
    /// returns a pointer to `list<effect>`.
    pub(crate) resume: &'a str,
}

impl Default for Plugin<'_> {
    /// Accepts every configuration, and does nothing.
    fn default() -> Self {
        Self {
            pages: 1,
            fields: "",
            realloc: "
                (global.set $heap
                    (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.get $heap)
                (global.set $heap (i32.add (global.get $heap) (local.get 3)))",
            describe: "(i32.const 0)",
            configure: "(i32.const 0)",
            open: "",
            resume: "(i32.const 0)",
        }
    }
}

impl Plugin<'_> {
    /// The bytes of the core module inside.
    pub(crate) fn module(&self) -> Vec<u8> {
        let Self {
            pages,
            fields,
            realloc,
            describe,
            configure,
            open,
            resume,
        } = self;
        let name = "integration:plugin/integration@0.1.0";
        let module = format!(
            r#"(module
                (import "[export]{name}" "[resource-new]session" (func $new (param i32) (result i32)))
                (memory (export "memory") {pages})
                (global $heap (mut i32) (i32.const 4096))
                (global $calls (mut i32) (i32.const 0))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "{name}#describe") (result i32) {describe})
                (func (export "{name}#configure") (param i32 i32) (result i32) {configure})
                (func (export "{name}#[constructor]session")
                    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                    {open}
                    (call $new (i32.const 1)))
                (func $recurse (param i64 i64 i64 i64) (result i64)
                    (i64.add (local.get 0)
                        (call $recurse (local.get 3) (local.get 2) (local.get 1) (local.get 0))))
                (func (export "{name}#[method]session.resume")
                    (param i32 i64 i32 i32) (result i32) (local $i i32)
                    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                    {resume})
                {fields}
            )"#
        );
        wat::parse_str(module).unwrap()
    }

    /// The bytes of the component.
    pub(crate) fn component(&self) -> Vec<u8> {
        wrapped(self.module()).unwrap()
    }
}

/// A core module with the exports of a plugin, as a component.
pub(crate) fn wrapped(mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path("../wit").unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("{error:#}"))
}
