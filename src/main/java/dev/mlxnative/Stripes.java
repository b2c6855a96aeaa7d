package dev.mlxnative;

import java.util.List;
import java.util.function.Consumer;

/** The stripes of a pool. */
final class Stripes {
    /** For each core, so that few threads that run at the same time share a stripe. */
    private static final int STRIPES_PER_CORE = 4;

    private static final int MOST_STRIPES = 64;

    private final Stripe[] stripes;

    Stripes() {
        int wanted = Math.min(STRIPES_PER_CORE * Runtime.getRuntime().availableProcessors(), MOST_STRIPES);
        stripes = new Stripe[Integer.highestOneBit(wanted)];
        for (int i = 0; i < stripes.length; i++) {
            stripes[i] = new Stripe();
        }
    }

    int count() {
        return stripes.length;
    }

    /** Where the calling thread begins a lease: in the stripe that it shares with the fewest, or else in another. */
    Stripe ofThread() {
        int index = (int) Thread.currentThread().threadId() & (stripes.length - 1);
        Stripe stripe = stripes[index];
        // Not the next one: threads that were started together have numbers in a row.
        return stripe.isLocked() ? stripes[index ^ (stripes.length / 2)] : stripe;
    }

    Stripe get(int index) {
        return stripes[index];
    }

    /** Has each keep up to so many bytes. */
    void open(long bytes) {
        for (Stripe stripe : stripes) {
            stripe.open(bytes);
        }
    }

    /** Has none keep anything, and hands over what they kept. */
    void close(Consumer<List<Block>> taker) {
        for (Stripe stripe : stripes) {
            taker.accept(stripe.close());
        }
    }

    /** Hands over what they keep. */
    void giveAll(Consumer<List<Block>> taker) {
        for (Stripe stripe : stripes) {
            stripe.lock();
            try {
                taker.accept(stripe.giveAll());
            } finally {
                stripe.unlock();
            }
        }
    }

    /** What they count together, at one moment. */
    Stripe.Counts counts() {
        var counts = new Stripe.Counts();
        int locked = 0;
        try {
            for (; locked < stripes.length; locked++) {
                stripes[locked].lock();
            }
            for (Stripe stripe : stripes) {
                stripe.addTo(counts);
            }
            return counts;
        } finally {
            for (int i = 0; i < locked; i++) {
                stripes[i].unlock();
            }
        }
    }
}
