// See LICENSE for the terms.
//! The promises that depend on the memory's orders.

use loom::{model, sync::Arc, thread};
use ring_orders::Ring;

/// Of one publisher that overtakes the reader: what is at an offset is what was
/// published there, with both its words, or it is lost.
#[test]
fn what_is_overtaken_is_lost_or_whole() {
    model(|| {
        let ring = Arc::new(Ring::default());
        let theirs = ring.clone();
        let publisher = thread::spawn(move || {
            for data in 1..=3 {
                theirs.publish(0, data);
            }
        });
        if let Some(Ok(data)) = ring.read(0) {
            assert_eq!(data, 1, "another message");
        }
        publisher.join().unwrap();
    });
}

/// Two publishers: the one that is first at an offset is what all see there.
#[test]
fn an_offset_is_one_message() {
    model(|| {
        let ring = Arc::new(Ring::default());
        let publishers = [0, 1].map(|lane| {
            let theirs = ring.clone();
            thread::spawn(move || theirs.publish(lane, lane as u64 + 1))
        });
        let seen = [ring.read(0), ring.read(1)];
        let mut at = [0; 2];
        for (lane, publisher) in publishers.into_iter().enumerate() {
            at[publisher.join().unwrap() as usize] = lane as u64 + 1;
        }
        for (found, published) in seen.into_iter().zip(at) {
            // The lanes have room: nothing is lost.
            assert!(found.is_none() || found == Some(Ok(published)));
        }
    });
}

/// Dekker: who sleeps is woken by whoever publishes behind its last look.
#[test]
fn nobody_sleeps_through_what_it_wants() {
    model(|| {
        let ring = Arc::new(Ring::default());
        let theirs = ring.clone();
        let publisher = thread::spawn(move || {
            theirs.publish(0, 1);
            theirs.wake()
        });
        let asleep = ring.sleep(0);
        assert!(publisher.join().unwrap() || !asleep, "nobody woke it");
    });
}
