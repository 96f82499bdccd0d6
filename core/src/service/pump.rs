//! A message's way to its instance, and a call's way back.

use super::DispatchFault;
use super::host::{
    Admission, Call, CallId, ChannelId, Ending, HostRefused, Instance, InstanceId, Outcome, Request, ServiceHost,
    Stage, back, turn,
};
use super::list::List;
use super::modes::{ConcurrencyMode, InstanceContextMode};
use crate::store::{Key, Store};
use crate::throttle::{Asked, PermitKey, Throttle};
use crate::time::Instant;

impl<M, S: Store> ServiceHost<M, S> {
    /// The pump of a channel takes its next message.
    ///
    /// # Errors
    /// The message comes back with [`HostRefused::Unknown`] or [`HostRefused::PumpStopped`]. Nothing has changed.
    pub fn take(
        &mut self,
        now: Instant,
        channel: ChannelId,
        request: Request<M>,
    ) -> Result<(), (Request<M>, HostRefused)> {
        let key = channel.0;
        let Some(known) = self.channels.get(key) else { return Err((request, HostRefused::Unknown)) };
        if !self.may_take(channel) {
            return Err((request, HostRefused::PumpStopped));
        }
        let terminated = known.terminated;
        self.touch(now, key);
        let stage = if terminated {
            Stage::Refused { call: None, fault: DispatchFault::SessionTerminated }
        } else {
            match self.ask(now, Throttle::Calls, key) {
                Asked::Granted(permit) => {
                    self.change(key, |channel| channel.pump = Some((request, Stage::WaitsCall(permit))));
                    self.has_call(now, key, permit);
                    return Ok(());
                }
                Asked::Waits { key: permit, .. } => Stage::WaitsCall(permit),
                Asked::Full(_) => Stage::Refused { call: None, fault: DispatchFault::ServerTooBusy(Throttle::Calls) },
            }
        };
        self.change(key, |channel| channel.pump = Some((request, stage)));
        self.attend(key);
        Ok(())
    }

    fn set_stage(&mut self, key: Key, to: Stage) {
        self.change(key, |channel| {
            if let Some((_, stage)) = &mut channel.pump {
                *stage = to;
            }
        });
        self.attend(key);
    }

    /// The message of this channel may run: does the contract know it, and in which instance does it run?
    pub(super) fn has_call(&mut self, now: Instant, key: Key, call: PermitKey) {
        let refused = |fault| Stage::Refused { call: Some(call), fault };
        let Some(channel) = self.channels.get_mut(key) else { return };
        let Some((request, _)) = &channel.pump else { return };
        let suits = |is_initiating: bool| is_initiating || channel.bound || !channel.session;
        if !request.called.is_some_and(|called| suits(called.is_initiating)) {
            let in_use = channel.bound && channel.session;
            let fault = if in_use { DispatchFault::UnhandledAction } else { DispatchFault::ActionNotSupported };
            return self.set_stage(key, refused(fault));
        }
        channel.bound = true;
        if !request.understood {
            return self.set_stage(key, refused(DispatchFault::MustUnderstand));
        }
        let existing = match self.settings.instances {
            InstanceContextMode::PerSession => channel.instance,
            InstanceContextMode::PerCall => None,
            InstanceContextMode::Single => self.single,
        };
        if let Some(instance) = existing {
            return self.wait_for_turn(key, call, instance);
        }
        let stage = match self.ask(now, Throttle::Instances, key) {
            Asked::Granted(permit) => {
                self.set_stage(key, Stage::WaitsInstance { call, instance: permit });
                return self.has_instance_permit(key, permit);
            }
            Asked::Waits { key: instance, .. } => Stage::WaitsInstance { call, instance },
            Asked::Full(_) => refused(DispatchFault::ServerTooBusy(Throttle::Instances)),
        };
        self.set_stage(key, stage);
    }

    /// An instance may be made for the message of this channel.
    pub(super) fn has_instance_permit(&mut self, key: Key, permit: PermitKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let Some((_, Stage::WaitsInstance { call, .. })) = channel.pump else { return };
        let per_call = match self.settings.instances {
            InstanceContextMode::PerSession => !channel.session,
            InstanceContextMode::PerCall => true,
            InstanceContextMode::Single => false,
        };
        let busy = self.settings.concurrency != ConcurrencyMode::Multiple;
        let (turns, back) = (List::default(), List::default());
        let instance = Instance { permit, made: false, per_call, gone: false, users: 1, busy, turns, back };
        // Each instance has a permit, and there are no more permits than places.
        let Some(instance) = self.instances.insert(instance) else { return };
        match self.settings.instances {
            InstanceContextMode::PerSession if !per_call => channel.instance = Some(instance),
            InstanceContextMode::PerSession | InstanceContextMode::PerCall => {}
            InstanceContextMode::Single => self.single = Some(instance),
        }
        self.set_stage(key, Stage::Ready { call, instance });
    }

    fn wait_for_turn(&mut self, key: Key, call: PermitKey, instance: Key) {
        let multiple = self.settings.concurrency == ConcurrencyMode::Multiple;
        let Some(known) = self.instances.get_mut(instance) else { return };
        known.users = known.users.saturating_add(1);
        let stage = if multiple || !known.busy {
            known.busy = !multiple;
            Stage::Ready { call, instance }
        } else {
            known.turns.push(&mut self.channels, key, turn);
            Stage::WaitsTurn { call, instance }
        };
        self.set_stage(key, stage);
    }

    /// The turn of an instance is free: calls that come back from calling out go first, as in WCF.
    pub(super) fn pass_turn(&mut self, instance: Key) {
        if self.settings.concurrency == ConcurrencyMode::Multiple {
            return;
        }
        let Some(known) = self.instances.get_mut(instance) else { return };
        if let Some(call) = known.back.pop(&mut self.calls, back) {
            if let Some(call) = self.calls.get_mut(call) {
                call.has_turn = true;
            }
            self.resume(call);
            return;
        }
        let Some(key) = known.turns.pop(&mut self.channels, turn) else {
            known.busy = false;
            return;
        };
        if let Some((_, Stage::WaitsTurn { call, .. })) =
            self.channels.get(key).and_then(|channel| channel.pump.as_ref())
        {
            let call = *call;
            self.set_stage(key, Stage::Ready { call, instance });
        }
    }

    /// Lets an instance go that nobody will use again. Tells which, if the application knows it.
    pub(super) fn dispose_if_unused(&mut self, now: Instant, instance: Key) -> Option<InstanceId> {
        let known = self.instances.get(instance)?;
        if known.users != 0 || !(known.gone || known.per_call) {
            return None;
        }
        let known = self.instances.remove(instance)?;
        self.let_go(now, known.permit);
        known.made.then_some(InstanceId(instance))
    }

    /// A call has ended, and its reply was given. Tells which instance goes with it.
    ///
    /// # Errors
    /// [`HostRefused::Unknown`].
    pub fn returned(
        &mut self,
        now: Instant,
        call: CallId,
        outcome: Outcome,
    ) -> Result<Option<InstanceId>, HostRefused> {
        let Call { channel: key, permit, instance, terminating, has_turn, .. } =
            self.forget_call(call).ok_or(HostRefused::Unknown)?;
        if has_turn {
            self.pass_turn(instance);
        }
        if let Some(known) = self.instances.get_mut(instance) {
            known.users = known.users.saturating_sub(1);
        }
        let session = self.channels.get(key).is_some_and(|channel| channel.session);
        self.change(key, |channel| channel.calls = channel.calls.saturating_sub(1));
        match outcome {
            Outcome::Unhandled if session => self.end(key, Ending::Close),
            Outcome::Handled if terminating && session => self.await_close(now, key),
            Outcome::Unhandled | Outcome::Handled => {}
        }
        self.close_if_done(key);
        let disposed = self.dispose_if_unused(now, instance);
        self.let_go(now, permit);
        Ok(disposed)
    }

    fn forget_call(&mut self, call: CallId) -> Option<Call> {
        let instance = self.calls.get(call.0)?.instance;
        if let Some(known) = self.instances.get_mut(instance) {
            known.back.remove(&mut self.calls, call.0, back);
        }
        self.not_resumed(call.0);
        self.calls.remove(call.0)
    }

    /// A call calls out ([`ConcurrencyMode::Reentrant`]): others may have the turn until it comes back. Its permit stays.
    ///
    /// # Errors
    /// [`HostRefused::Unknown`].
    pub fn calls_out(&mut self, call: CallId) -> Result<(), HostRefused> {
        let known = self.calls.get_mut(call.0).ok_or(HostRefused::Unknown)?;
        if self.settings.concurrency == ConcurrencyMode::Reentrant && known.has_turn {
            known.has_turn = false;
            let instance = known.instance;
            // It may have been given the turn without having been told.
            self.not_resumed(call.0);
            self.pass_turn(instance);
        }
        Ok(())
    }

    /// A call that called out wants to go on: `true` if it may at once; else [`HostAction::Resume`] says when.
    ///
    /// [`HostAction::Resume`]: super::HostAction::Resume
    ///
    /// # Errors
    /// [`HostRefused::Unknown`].
    pub fn comes_back(&mut self, call: CallId) -> Result<bool, HostRefused> {
        let known = self.calls.get_mut(call.0).ok_or(HostRefused::Unknown)?;
        if known.has_turn || self.settings.concurrency != ConcurrencyMode::Reentrant {
            // Told now, and not once more.
            self.not_resumed(call.0);
            return Ok(true);
        }
        let instance = self.instances.get_mut(known.instance).ok_or(HostRefused::Unknown)?;
        if instance.busy {
            instance.back.push(&mut self.calls, call.0, back);
            return Ok(false);
        }
        (instance.busy, known.has_turn) = (true, true);
        Ok(true)
    }

    /// Does this channel's pump hold a message that waits?
    pub fn waits(&self, channel: ChannelId) -> bool {
        self.channels.get(channel.0).is_some_and(|channel| {
            matches!(channel.admission, Admission::Waits(_))
                || matches!(
                    channel.pump,
                    Some((_, Stage::WaitsCall(_) | Stage::WaitsInstance { .. } | Stage::WaitsTurn { .. }))
                )
        })
    }
}
