//! Reading a state: as WCF's serializer does, its parts may come in any order, and a part that it does not know is an error.

use super::records::{Record, Records, Value};
use super::{SecurityState, StateField, StateFlaw, Ticks, name, swapped};
use crate::chance::Uuid;
use crate::crypto::SecretKey;
use heapless::String;

impl SecurityState {
    /// Reads what [`write`](Self::write), or WCF, wrote. Of the claims only the first identity's name is kept.
    ///
    /// # Errors
    /// [`StateFlaw`] says what is wrong, and where.
    pub fn read(state: &[u8]) -> Result<Self, StateFlaw> {
        let mut records = Records::new(state);
        if records.next()? != Record::Start(Some(name::TOKEN)) {
            return Err(StateFlaw::Malformed { offset: 0 });
        }
        let mut found = Found::default();
        loop {
            match records.next()? {
                Record::Start(Some(part)) => found.part(&mut records, part)?,
                Record::End if records.is_done() => return found.state(),
                Record::Start(None) | Record::Text { .. } | Record::End => return Err(records.malformed()),
            }
        }
    }
}

#[derive(Default)]
struct Found {
    version: Option<i64>,
    id: Option<String<128>>,
    context: Option<Uuid>,
    key: Option<SecretKey>,
    generation: Option<Uuid>,
    effective: Option<Ticks>,
    expires: Option<Ticks>,
    key_effective: Option<Ticks>,
    key_expires: Option<Ticks>,
    user: Option<String<128>>,
    claims: Option<()>,
    cookie_mode: Option<()>,
}

impl Found {
    fn part(&mut self, records: &mut Records<'_>, part: u32) -> Result<(), StateFlaw> {
        use StateField as Field;
        match part {
            name::VERSION => once(&mut self.version, Field::Version, integer(records)?),
            name::ID => once(&mut self.id, Field::Id, text(records, Field::Id)?),
            name::CONTEXT_ID => once(&mut self.context, Field::ContextId, guid(records, Field::ContextId)?),
            name::KEY => once(&mut self.key, Field::Key, octets(records)?),
            name::KEY_GENERATION => {
                once(&mut self.generation, Field::KeyGeneration, guid(records, Field::KeyGeneration)?)
            }
            name::EFFECTIVE_TIME => once(&mut self.effective, Field::EffectiveTime, Ticks(integer(records)?)),
            name::EXPIRY_TIME => once(&mut self.expires, Field::ExpiryTime, Ticks(integer(records)?)),
            name::KEY_EFFECTIVE_TIME => {
                once(&mut self.key_effective, Field::KeyEffectiveTime, Ticks(integer(records)?))
            }
            name::KEY_EXPIRY_TIME => once(&mut self.key_expires, Field::KeyExpiryTime, Ticks(integer(records)?)),
            name::IDENTITIES => once(&mut self.user, Field::Identities, identities(records)?),
            name::CLAIM_SETS => once(&mut self.claims, Field::ClaimSets, records.skip()?),
            name::IS_COOKIE_MODE => once(&mut self.cookie_mode, Field::IsCookieMode, records.skip()?),
            _ => Err(records.malformed()),
        }
    }

    fn state(self) -> Result<SecurityState, StateFlaw> {
        match self.version {
            Some(1) => {}
            Some(_) => return Err(StateFlaw::Value(StateField::Version)),
            None => return Err(StateFlaw::Missing(StateField::Version)),
        }
        let within = |ticks: Option<Ticks>, otherwise: Ticks, field| {
            let ticks = ticks.unwrap_or(otherwise);
            if (Ticks::MIN..=Ticks::MAX).contains(&ticks) { Ok(ticks) } else { Err(StateFlaw::Value(field)) }
        };
        Ok(SecurityState {
            id: self.id.ok_or(StateFlaw::Missing(StateField::Id))?,
            context: self.context.ok_or(StateFlaw::Missing(StateField::ContextId))?,
            key: self.key.ok_or(StateFlaw::Missing(StateField::Key))?,
            generation: self.generation,
            effective: within(self.effective, Ticks::MIN, StateField::EffectiveTime)?,
            expires: within(self.expires, Ticks::MAX, StateField::ExpiryTime)?,
            key_effective: within(self.key_effective, Ticks::MIN, StateField::KeyEffectiveTime)?,
            key_expires: within(self.key_expires, Ticks::MAX, StateField::KeyExpiryTime)?,
            user: self.user.unwrap_or_default(),
        })
    }
}

fn once<T>(slot: &mut Option<T>, field: StateField, value: T) -> Result<(), StateFlaw> {
    if slot.is_some() {
        return Err(StateFlaw::Repeated(field));
    }
    *slot = Some(value);
    Ok(())
}

/// The texts of the open element, to its end.
fn texts<'a>(
    records: &mut Records<'a>,
    mut each: impl FnMut(&Records<'a>, Value<'a>) -> Result<(), StateFlaw>,
) -> Result<(), StateFlaw> {
    loop {
        match records.next()? {
            Record::Text { value, ends } => {
                each(records, value)?;
                if ends {
                    return Ok(());
                }
            }
            Record::End => return Ok(()),
            Record::Start(_) => return Err(records.malformed()),
        }
    }
}

fn integer(records: &mut Records<'_>) -> Result<i64, StateFlaw> {
    let mut found = None;
    texts(records, |records, value| match value {
        Value::Integer(number) if found.is_none() => {
            found = Some(number);
            Ok(())
        }
        Value::Integer(_) | Value::Characters(_) | Value::Octets(_) | Value::UniqueId(_) | Value::Other => {
            Err(records.malformed())
        }
    })?;
    found.ok_or_else(|| records.malformed())
}

fn guid(records: &mut Records<'_>, field: StateField) -> Result<Uuid, StateFlaw> {
    let mut found = None;
    texts(records, |records, value| match value {
        Value::UniqueId(octets) if found.is_none() => {
            found = Some(Uuid(swapped(octets)));
            Ok(())
        }
        // A name that is no GUID is written as characters; no token that is issued here has one.
        Value::Characters(_) => Err(StateFlaw::Value(field)),
        Value::Integer(_) | Value::Octets(_) | Value::UniqueId(_) | Value::Other => Err(records.malformed()),
    })?;
    found.ok_or_else(|| records.malformed())
}

fn text(records: &mut Records<'_>, field: StateField) -> Result<String<128>, StateFlaw> {
    let mut found = String::new();
    texts(records, |records, value| match value {
        Value::Characters(run) => {
            let run = core::str::from_utf8(run).map_err(|_| records.malformed())?;
            found.push_str(run).map_err(|_| StateFlaw::Value(field))
        }
        Value::Integer(_) | Value::Octets(_) | Value::UniqueId(_) | Value::Other => Err(records.malformed()),
    })?;
    Ok(found)
}

/// The key, which comes in pieces.
fn octets(records: &mut Records<'_>) -> Result<SecretKey, StateFlaw> {
    let mut key = SecretKey::default();
    texts(records, |records, value| {
        let Value::Octets(run) = value else { return Err(records.malformed()) };
        let len = key.len().saturating_add(run.len());
        let mut longer = SecretKey::zeroed(len).ok_or(StateFlaw::Value(StateField::Key))?;
        for (to, from) in longer.as_mut_bytes().iter_mut().zip(key.as_bytes().iter().chain(run)) {
            *to = *from;
        }
        key = longer;
        Ok(())
    })?;
    if key.is_empty() { Err(StateFlaw::Value(StateField::Key)) } else { Ok(key) }
}

/// The name of the first identity.
fn identities(records: &mut Records<'_>) -> Result<String<128>, StateFlaw> {
    let mut first = None;
    loop {
        match records.next()? {
            Record::Start(Some(name::PRIMARY_IDENTITY)) if first.is_none() => first = Some(identity(records)?),
            Record::Start(_) => records.skip()?,
            Record::End => return Ok(first.unwrap_or_default()),
            Record::Text { .. } => return Err(records.malformed()),
        }
    }
}

fn identity(records: &mut Records<'_>) -> Result<String<128>, StateFlaw> {
    let mut found = String::new();
    loop {
        match records.next()? {
            Record::Start(Some(name::GENERIC_IDENTITY | name::WINDOWS_SID_IDENTITY)) => {
                found = text(records, StateField::Identities)?;
            }
            Record::Start(_) => records.skip()?,
            Record::End => return Ok(found),
            Record::Text { .. } => return Err(records.malformed()),
        }
    }
}
