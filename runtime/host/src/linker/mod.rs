//! Gives a component what it imports, under the names that it uses.
//!
//! A toolchain imports whole families of WASI that a program never calls, in
//! whatever 0.2 version it was built with. So linking always succeeds for WASI
//! 0.2 and for our own interfaces, and *calling* what this kind of instance may
//! not do stops the guest with the name of the function. Nothing else can be
//! imported.

mod interface;
mod worlds;

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::text::shown;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, InstancePre, Linker, LinkerInstance, ResourceType};

pub(crate) use self::interface::Interface;
pub(crate) use self::worlds::{ActivityWorld, WorkflowWorld};
use crate::trap::{Stop, rejected};

/// What one kind of instance is given.
pub(crate) trait World {
    /// What its host functions work on.
    type State: 'static;

    /// True if an interface needs no further definition.
    fn is_linked(&self, interface: Interface<'_>) -> bool;

    /// Defines a function, or answers false: calling it is refused.
    fn define(
        &self,
        instance: &mut LinkerInstance<'_, Self::State>,
        interface: Interface<'_>,
        function: &str,
    ) -> wasmtime::Result<bool>;

    /// Defines a resource and answers its type, or answers none: no guest will
    /// ever have one.
    fn define_resource(
        &self,
        instance: &mut LinkerInstance<'_, Self::State>,
        interface: Interface<'_>,
        resource: &str,
    ) -> wasmtime::Result<Option<ResourceType>>;

    /// Why calling a function of an interface is refused, as the end of a
    /// sentence, and what to do instead.
    fn reason(&self, interface: Interface<'_>) -> &'static str;
}

/// Links a component. `linker` holds what [`World::is_linked`] speaks of.
pub(crate) fn link<W: World>(
    world: &W,
    mut linker: Linker<W::State>,
    component: &Component,
) -> Result<InstancePre<W::State>, ModuleRejected> {
    let engine = linker.engine().clone();
    let mut resources = Resources::default();
    for (name, item) in component.component_type().imports(&engine) {
        match (Interface::parse(name), &item.ty) {
            (Some(interface), ComponentItem::ComponentInstance(contents)) => {
                if world.is_linked(interface) {
                    resources.know_all(&engine, contents);
                } else {
                    let import = Import { name, interface, contents };
                    import.link(world, &mut linker, &mut resources)?;
                }
            }
            // A type, under a name of its own: there is nothing to provide.
            (_, ComponentItem::Type(_)) => {}
            _ => return Err(unknown_import(name)),
        }
    }
    linker.instantiate_pre(component).map_err(|error| unfitting(&error))
}

/// One imported interface.
struct Import<'a> {
    /// As the component writes it.
    name: &'a str,
    interface: Interface<'a>,
    contents: &'a ComponentInstance,
}

impl Import<'_> {
    fn link<W: World>(
        &self,
        world: &W,
        linker: &mut Linker<W::State>,
        resources: &mut Resources,
    ) -> Result<(), ModuleRejected> {
        let engine = linker.engine().clone();
        let mut instance = linker.instance(self.name).map_err(|error| unfitting(&error))?;
        for (name, item) in self.contents.exports(&engine) {
            let linked = match item.ty {
                ComponentItem::ComponentFunc(_) => self.link_function(world, &mut instance, name),
                ComponentItem::Resource(guest_type) => {
                    self.link_resource(world, &mut instance, name, guest_type, resources)
                }
                ComponentItem::Type(_) => Ok(()),
                _ => return Err(unknown_import(&format!("{}#{name}", self.name))),
            };
            linked.map_err(|error| unfitting(&error))?;
        }
        Ok(())
    }

    fn link_function<W: World>(
        &self,
        world: &W,
        instance: &mut LinkerInstance<'_, W::State>,
        name: &str,
    ) -> wasmtime::Result<()> {
        if world.define(instance, self.interface, name)? {
            return Ok(());
        }
        let function = format!("{}#{name}", self.name);
        let reason = world.reason(self.interface);
        instance.func_new(name, move |_, _, _, _| {
            Err(Stop::Forbidden { function: function.clone(), reason }.into())
        })
    }

    fn link_resource<W: World>(
        &self,
        world: &W,
        instance: &mut LinkerInstance<'_, W::State>,
        name: &str,
        guest_type: ResourceType,
        resources: &mut Resources,
    ) -> wasmtime::Result<()> {
        // An interface that uses the resource of another names it again; that
        // needs no definition, and its type is the first one's.
        if resources.known.contains(&guest_type) {
            return Ok(());
        }
        resources.known.push(guest_type);
        if world.define_resource(instance, self.interface, name)?.is_none() {
            let host_type = ResourceType::host_dynamic(resources.unanswered);
            resources.unanswered += 1;
            instance.resource(name, host_type, |_, _| Ok(()))?;
        }
        Ok(())
    }
}

/// The resources met so far in a component's imports.
#[derive(Default)]
struct Resources {
    known: Vec<ResourceType>,
    /// Makes the types of those that no guest will ever have different.
    unanswered: u32,
}

impl Resources {
    /// Takes note of an interface that others may use the resources of.
    fn know_all(&mut self, engine: &Engine, contents: &ComponentInstance) {
        for (_, item) in contents.exports(engine) {
            if let ComponentItem::Resource(guest_type) = item.ty {
                self.known.push(guest_type);
            }
        }
    }
}

/// Nobody provides this import.
pub(crate) fn unknown_import(import: &str) -> ModuleRejected {
    let import = shown(import);
    let mut rejected = rejected(
        ErrorCode::ModuleImportUnknown,
        format!(
            "the component imports {import}, which nothing here provides: a module may import \
             WASI 0.2 and dacapo:workflow@0.1.0 only"
        ),
    );
    rejected.details.insert("import".to_owned(), import.into_owned());
    rejected
}

fn unfitting(error: &wasmtime::Error) -> ModuleRejected {
    rejected(
        ErrorCode::ModuleImportUnknown,
        format!("the component imports something with another type than it has here: {error:#}"),
    )
}
