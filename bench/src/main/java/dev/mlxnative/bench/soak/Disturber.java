package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NativeFaults;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

/** Lowers a pool's limits and makes the device fail, for a few milliseconds at a time. */
final class Disturber {

    /** One step in this many begins a disturbance. */
    private static final int RARITY = 40;

    private static final long LONGEST_NANOS = TimeUnit.MILLISECONDS.toNanos(8);
    private static final int KINDS = 6;
    private static final int KINDS_WITHOUT_FAULTS = 3;
    private static final int LATEST_CREATION = 20;
    private static final int MOST_CREATIONS = 12;

    /** MLXSHIM_FAILURE_OUT_OF_MEMORY */
    private static final int OUT_OF_MEMORY = 3;

    private final MlxDevice device;
    private final MlxBufferPool pool;
    private final boolean faults;
    private final SplittableRandom random;
    private final long memoryLimit;
    private final long cacheLimit;
    private final long bufferLimit;
    private boolean disturbing;
    private int next;
    private long until;
    private long count;

    Disturber(MlxDevice device, MlxBufferPool pool, boolean faults, SplittableRandom random) {
        this.device = device;
        this.pool = pool;
        this.faults = faults;
        this.random = random;
        this.memoryLimit = pool.limits().memoryLimit();
        this.cacheLimit = pool.limits().cacheLimit();
        this.bufferLimit = pool.limits().bufferLimit();
    }

    /** The number of device faults so far. */
    long faults() {
        return count;
    }

    void step() {
        long now = System.nanoTime();
        if (disturbing) {
            if (now - until >= 0) {
                end();
            }
        } else if (next == 0 || random.nextInt(RARITY) == 0) {
            disturbing = true;
            until = now + random.nextLong(LONGEST_NANOS);
            begin(faults ? KINDS - 1 - next++ % KINDS : next++ % KINDS_WITHOUT_FAULTS);
        }
    }

    private void begin(int kind) {
        switch (kind) {
            case 0 -> pool.limits().setBufferLimit(random.nextLong(bufferLimit + 1));
            case 1 -> pool.limits().setMemoryLimit(random.nextLong(memoryLimit + 1));
            case 2 -> pool.limits().setCacheLimit(random.nextLong(cacheLimit + 1));
            case 3 -> {
                count++;
                NativeFaults.byteBudget(random.nextLong(device.allocatedBytes() / 2 + 1));
                pool.clear(); // empties the cache, so that requests reach the device
            }
            case 4 -> {
                count++;
                NativeFaults.commandBufferFailure(OUT_OF_MEMORY);
            }
            default -> {
                count++;
                NativeFaults.failCreate(1 + random.nextInt(LATEST_CREATION), 1 + random.nextInt(MOST_CREATIONS));
            }
        }
    }

    /** Ends a disturbance. If this meets an error, it can be repeated. */
    void end() {
        NativeFaults.clear();
        pool.limits().setMemoryLimit(memoryLimit);
        pool.limits().setCacheLimit(cacheLimit);
        pool.limits().setBufferLimit(bufferLimit);
        disturbing = false;
    }
}
