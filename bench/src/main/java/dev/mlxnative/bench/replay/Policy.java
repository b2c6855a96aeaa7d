package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.Sizing;
import java.util.function.BiFunction;

/** A way to set a pool, whose footprint and speed are compared with those of others. */
enum Policy {
    /** The pool as it comes. */
    POWER_OF_TWO("power-of-two", (builder, trace) -> builder),
    /**
     * The same with at most a quarter of peak live bytes kept for later: what one does about its footprint without
     * another sizing.
     */
    POWER_OF_TWO_CACHE_LIMIT(
            "power-of-two-cache-limit", (builder, trace) -> builder.cacheLimit(trace.peakLiveBytes() / 4)),
    /** Leases cut from few native buffers. */
    COMPACT("compact", (builder, trace) -> builder.sizing(Sizing.COMPACT));

    private final String label;
    private final BiFunction<MlxBufferPool.Builder, Trace, MlxBufferPool.Builder> setting;

    Policy(String label, BiFunction<MlxBufferPool.Builder, Trace, MlxBufferPool.Builder> setting) {
        this.label = label;
        this.setting = setting;
    }

    /** What it is called on the command line and in results. */
    String label() {
        return label;
    }

    MlxBufferPool.Builder apply(MlxBufferPool.Builder builder, Trace trace) {
        return setting.apply(builder, trace);
    }
}
