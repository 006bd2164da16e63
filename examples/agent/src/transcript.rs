//! What the model has done so far, as far as it is told again.

use serde::{Deserialize, Serialize};

use crate::messages::{Message, Role};

const PROMPT: &str = "You answer the customers of a shop. Use the tools to look orders up and to \
                      refund them. Refund only what the customer asks for, and say what you did.";

/// Bytes of the steps that the model is told again. The oldest ones are left out
/// when there are more: each request repeats all of them, in the history too.
const STEPS_BYTES_MAX: usize = 64 << 10;

/// Steps, the oldest first. The last one is always there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Transcript {
    steps: Vec<Step>,
    left_out: u32,
}

/// A reply of the model, and what came of it. They go together: a model refuses a
/// call without its result.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    reply: Message,
    results: Vec<Message>,
}

impl Step {
    fn bytes(&self) -> usize {
        self.reply.bytes() + self.results.iter().map(Message::bytes).sum::<usize>()
    }
}

impl Transcript {
    pub(crate) fn add(&mut self, reply: Message, results: Vec<Message>) {
        self.steps.push(Step { reply, results });
        while self.steps.len() > 1
            && self.steps.iter().map(Step::bytes).sum::<usize>() > STEPS_BYTES_MAX
        {
            self.steps.remove(0);
            self.left_out += 1;
        }
    }

    /// The conversation about this request.
    pub(crate) fn messages(&self, request: &str) -> Vec<Message> {
        let mut prompt = PROMPT.to_owned();
        if self.left_out > 0 {
            // Without knowing it, the model might do them again.
            prompt += &format!(" Your first {} steps are left out here.", self.left_out);
        }
        let mut messages = vec![
            Message::text(Role::System, prompt),
            Message::text(Role::User, request.to_owned()),
        ];
        for Step { reply, results } in &self.steps {
            messages.push(reply.clone());
            messages.extend_from_slice(results);
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(transcript: &mut Transcript, number: usize) {
        let reply = Message::text(Role::Assistant, format!("step {number}"));
        transcript.add(reply, vec![Message::tool("call", "x".repeat(10_000))]);
    }

    #[test]
    fn the_oldest_steps_are_left_out_and_the_model_is_told() {
        let mut transcript = Transcript::default();
        for number in 1..=20 {
            step(&mut transcript, number);
        }
        let messages = transcript.messages("help");
        assert_eq!(messages.len(), 2 + 6 * 2, "six steps of 10 kB, with their results");
        assert_eq!(messages[12].content.as_deref(), Some("step 20"));
        let prompt = messages[0].content.as_deref().unwrap_or_default();
        assert!(prompt.ends_with("Your first 14 steps are left out here."), "{prompt}");
        assert!(messages.iter().map(Message::bytes).sum::<usize>() < STEPS_BYTES_MAX + 1_000);
    }

    #[test]
    fn a_last_step_that_is_too_large_alone_is_kept() {
        let mut transcript = Transcript::default();
        step(&mut transcript, 1);
        transcript.add(Message::text(Role::Assistant, "x".repeat(STEPS_BYTES_MAX + 1)), Vec::new());
        assert_eq!(transcript.messages("help").len(), 3);
    }
}
