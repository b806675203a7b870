//! Record: rows that a statement gives as an array of records, so that one round trip can give rows of several kinds.
//!
//! Columns of a domain must be cast to its base type: the driver knows no other type within a record.

/// Structs that are decoded from records: a field a column, in the order of the statement's select list, with the types
/// checked as they are read.
macro_rules! records {
    ($($(#[$doc:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_doc:meta])* $field_visibility:vis $field:ident: $type:ty,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, sqlx::Decode)]
        $visibility struct $name {
            $($(#[$field_doc])* $field_visibility $field: $type,)+
        }

        // An anonymous record is what sqlx takes every tuple for.
        impl sqlx::Type<sqlx::Postgres> for $name {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                <(bool,) as sqlx::Type<sqlx::Postgres>>::type_info()
            }
        }

        impl sqlx::postgres::PgHasArrayType for $name {
            fn array_type_info() -> sqlx::postgres::PgTypeInfo {
                <(bool,) as sqlx::postgres::PgHasArrayType>::array_type_info()
            }
        }
    )+};
}
pub(crate) use records;
