//! Registers search attributes of a namespace.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::WorkflowHash;
use dacapo_model::limits::NAMESPACE_SEARCH_ATTRIBUTES_MAX;
use dacapo_model::search_attribute::{
    RegisteredAttribute, SearchAttributeName, SearchAttributeType,
};
use dacapo_store::search_attribute::Registration;

use super::StartOptions;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// The search attributes of the namespace, by name.
    pub async fn list_search_attributes(&self) -> Result<Vec<RegisteredAttribute>> {
        self.shared.admit()?;
        let mut registered = self.shared.store.all_search_attributes().await?;
        registered.retain(|attribute| attribute.namespace == self.namespace);
        Ok(registered)
    }

    /// Registers a search attribute; true if it is new. A repeat finds that it is there.
    /// Refused if it is there with another type.
    pub async fn register_search_attribute(
        &self,
        name: SearchAttributeName,
        attribute_type: SearchAttributeType,
    ) -> Result<(RegisteredAttribute, bool)> {
        let shared = &self.shared;
        shared.admit_write()?;
        let attribute = RegisteredAttribute {
            namespace: self.namespace.clone(),
            name,
            attribute_type,
            created_at: shared.clock.now(),
        };
        let owned = shared.hold.owned.current();
        let max = NAMESPACE_SEARCH_ATTRIBUTES_MAX;
        let written = shared.store.register_search_attribute(&owned, attribute.clone(), max).await;
        let registration = shared.hold.loss.judge(written).await;
        // Whoever was told that it is registered can use it; and it may be without an answer.
        let known = shared.search_attributes.catch_up().await;
        let registration = registration?;
        known?;
        match registration {
            Registration::New => Ok((attribute, true)),
            Registration::Known(there) => Ok((there, false)),
            Registration::OtherType(there) => Err(has_other_type(&there)),
            Registration::Full => Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!(
                    "namespace `{}` has {max} search attributes, and more are not possible; remove \
                     one that is not needed",
                    self.namespace
                ),
            )),
        }
    }

    /// Removes a search attribute; false if it was not there. Values that runs have stay with
    /// them, and nothing can be found by them any more.
    pub async fn remove_search_attribute(&self, name: &SearchAttributeName) -> Result<bool> {
        let shared = &self.shared;
        shared.admit_write()?;
        let owned = shared.hold.owned.current();
        let removed = shared.store.remove_search_attribute(&owned, &self.namespace, name).await;
        let removed = shared.hold.loss.judge(removed).await;
        let known = shared.search_attributes.catch_up().await;
        let is_removed = removed?;
        known?;
        Ok(is_removed)
    }

    /// Gives the search attributes of a start the types that are registered, or refuses them.
    pub(in crate::operations) async fn fit_search_attributes(
        &self,
        options: &mut StartOptions,
    ) -> Result<()> {
        let given = &options.attributes.search_attributes;
        if given.is_empty() {
            return Ok(());
        }
        let registered = &self.shared.search_attributes;
        let fitted = match registered.fit(&self.namespace, given, &options.inferred).await {
            Ok(fitted) => fitted,
            Err(refused) => {
                // What this node knows may be what was, if another one has the shards now.
                self.shared.hold.confirm.held(WorkflowHash(0)).await?;
                return Err(refused);
            }
        };
        options.attributes.search_attributes = fitted;
        Ok(())
    }
}

fn has_other_type(there: &RegisteredAttribute) -> ServiceError {
    let RegisteredAttribute { name, attribute_type, .. } = there;
    ServiceError::new(
        ErrorCode::SearchAttributeAlreadyRegistered,
        format!(
            "search attribute `{name}` is registered as {attribute_type}, and a type does not \
             change: values of runs have it. Register another name; or remove this one first, \
             after which no run is found by the values that there are"
        ),
    )
    .with("search_attribute", name)
    .with("type", attribute_type)
}
