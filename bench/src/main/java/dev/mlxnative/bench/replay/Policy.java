package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.Sizing;
import java.util.function.BiFunction;

/** A configuration of a pool. A replay compares the footprint and the speed of several. */
enum Policy {
    /** The pool with its default settings. */
    POWER_OF_TWO("power-of-two", (builder, trace) -> builder),
    /**
     * The default settings with a cache limit of a quarter of the trace's peak live bytes.
     *
     * <p>A cache limit is the way to reduce the footprint without another sizing.
     */
    POWER_OF_TWO_CACHE_LIMIT(
            "power-of-two-cache-limit", (builder, trace) -> builder.cacheLimit(trace.peakLiveBytes() / 4)),
    /** Compact sizing: the pool cuts leases from few native buffers. */
    COMPACT("compact", (builder, trace) -> builder.sizing(Sizing.COMPACT));

    private final String label;
    private final BiFunction<MlxBufferPool.Builder, Trace, MlxBufferPool.Builder> setting;

    Policy(String label, BiFunction<MlxBufferPool.Builder, Trace, MlxBufferPool.Builder> setting) {
        this.label = label;
        this.setting = setting;
    }

    /** The name on the command line and in the results. */
    String label() {
        return label;
    }

    MlxBufferPool.Builder apply(MlxBufferPool.Builder builder, Trace trace) {
        return setting.apply(builder, trace);
    }
}
