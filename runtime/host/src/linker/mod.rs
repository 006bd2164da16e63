//! Gives a component what it imports, under the names that it uses.
//!
//! A toolchain imports whole families of WASI that a program never calls, in
//! whatever 0.2 version it was built with. So linking always succeeds for WASI
//! 0.2 and for our own interfaces, and *calling* what this kind of instance may
//! not do is refused with the name of the function: by an error, where it returns one,
//! or else by stopping the guest. Nothing else can be imported.

mod interface;
mod refused;
mod worlds;

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::text::shown;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem};
use wasmtime::component::{
    Component, InstancePre, Linker, LinkerInstance, ResourceAny, ResourceDynamic, ResourceType,
    Type, Val,
};
use wasmtime::{Engine, StoreContextMut};

pub(crate) use self::interface::Interface;
use self::interface::OUR_PACKAGE;
pub(crate) use self::worlds::{ActivityWorld, WorkflowWorld};
use crate::trap::{Stop, rejected};

/// What one kind of instance is given.
pub(crate) trait World: 'static {
    /// What its host functions work on.
    type State: Send + 'static;

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

    /// Whether all functions of an interface are defined: one that is not is of a later
    /// release.
    fn defines_all_of(&self, interface: Interface<'_>) -> bool;

    /// Why calling a function of an interface is refused, as the end of a
    /// sentence, and what to do instead.
    fn reason(&self, interface: Interface<'_>) -> &'static str;

    /// What becomes of a call that is refused.
    fn refusal(&self, interface: Interface<'_>) -> Refusal;

    /// Lets those who look at the guest know why it was refused something.
    fn note_refusal(store: &mut StoreContextMut<'_, Self::State>, message: &str);

    /// A resource of the world's own that stands for one that is refused, if it needs one.
    fn substitute(
        store: &mut StoreContextMut<'_, Self::State>,
        wanted: ResourceType,
    ) -> wasmtime::Result<Option<ResourceAny>>;
}

/// What becomes of a call that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The guest is stopped.
    Trap,
    /// It returns an error, or stops the guest if the function has none.
    Error,
    /// It returns nothing: the call only prepares one that returns an error.
    Nothing,
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
                ComponentItem::ComponentFunc(_) => {
                    let linked = self.link_function(world, &mut instance, name);
                    if let Ok(false) = linked {
                        return Err(of_a_later_release(&format!("{}#{name}", self.name)));
                    }
                    linked.map(drop)
                }
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

    /// False if this server does not know the function.
    fn link_function<W: World>(
        &self,
        world: &W,
        instance: &mut LinkerInstance<'_, W::State>,
        name: &str,
    ) -> wasmtime::Result<bool> {
        if world.define(instance, self.interface, name)? {
            return Ok(true);
        }
        if world.defines_all_of(self.interface) {
            return Ok(false);
        }
        let function = format!("{}#{name}", self.name);
        let reason = world.reason(self.interface);
        let refusal = world.refusal(self.interface);
        instance.func_new_async(name, move |store, signature, parameters, results| {
            let stop = Stop::Forbidden { function: function.clone(), reason };
            let call = Refused { signature, parameters, results, refusal, stop };
            Box::new(call.answer::<W>(store))
        })?;
        Ok(true)
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

/// A call that is refused.
struct Refused<'a> {
    signature: ComponentFunc,
    parameters: &'a [Val],
    results: &'a mut [Val],
    refusal: Refusal,
    stop: Stop,
}

impl Refused<'_> {
    async fn answer<W: World>(
        self,
        mut store: StoreContextMut<'_, W::State>,
    ) -> wasmtime::Result<()> {
        let returned = match self.refusal {
            Refusal::Trap => None,
            Refusal::Error => refused::error(&self.signature, &self.stop.to_string()),
            Refusal::Nothing => match self.signature.results().next() {
                Some(ty) => nothing::<W>(&mut store, &ty)?,
                None => return give_back(&mut store, self.parameters).await,
            },
        };
        let (Some(value), [result]) = (returned, self.results) else {
            return Err(self.stop.into());
        };
        *result = value;
        if self.refusal == Refusal::Error {
            W::note_refusal(&mut store, &self.stop.to_string());
        }
        give_back(&mut store, self.parameters).await
    }
}

/// Drops the resources that a call was given.
async fn give_back<T: Send>(
    store: &mut StoreContextMut<'_, T>,
    given: &[Val],
) -> wasmtime::Result<()> {
    for resource in given.iter().filter_map(refused::resource) {
        resource.resource_drop_async(&mut *store).await?;
    }
    Ok(())
}

/// Nothing, of this type; none if there is no such thing.
fn nothing<W: World>(
    store: &mut StoreContextMut<'_, W::State>,
    ty: &Type,
) -> wasmtime::Result<Option<Val>> {
    let mut failed = None;
    let value = refused::nothing(ty, &mut |wanted| match substitute::<W>(store, wanted) {
        Ok(resource) => Some(Val::Resource(resource)),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    failed.map_or(Ok(value), Err)
}

/// A resource that nobody looks into.
fn substitute<W: World>(
    store: &mut StoreContextMut<'_, W::State>,
    wanted: ResourceType,
) -> wasmtime::Result<ResourceAny> {
    if let Some(own) = W::substitute(store, wanted)? {
        return Ok(own);
    }
    let unanswered = (0..RESOURCES_MAX).find(|it| ResourceType::host_dynamic(*it) == wanted);
    let kind =
        unanswered.ok_or_else(|| wasmtime::Error::msg("it is a resource of somebody else"))?;
    ResourceDynamic::new_own(0, kind).try_into_resource_any(store)
}

/// More resources than the interfaces of WASI have together.
const RESOURCES_MAX: u32 = 200;

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

/// A part of our package that there will be.
fn of_a_later_release(import: &str) -> ModuleRejected {
    let import = shown(import);
    let mut rejected = rejected(
        ErrorCode::ModuleImportUnknown,
        format!(
            "the component imports {import}, which this server does not have: it was built with an \
             SDK of a later release. Run a newer server, or build it with an older SDK"
        ),
    );
    rejected.details.insert("import".to_owned(), import.into_owned());
    rejected
}

/// Nobody provides this import.
pub(crate) fn unknown_import(import: &str) -> ModuleRejected {
    if import.starts_with(OUR_PACKAGE) {
        return of_a_later_release(import);
    }
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
