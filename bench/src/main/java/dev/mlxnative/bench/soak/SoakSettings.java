package dev.mlxnative.bench.soak;

import dev.mlxnative.LeakDetection;
import java.time.Duration;

/**
 * How to soak.
 *
 * @param threads how many share the pool; one more has a pool of its own, which it resets
 * @param duration how long it goes on
 * @param operations how many leases begin and end at least, unless the duration is over first
 * @param memoryLimitFactor the pool's memory limit over the sum of what the threads' traces have live at their peaks
 * @param faults whether the device fails now and then
 * @param checked whether the pools are checked ones
 * @param leakDetection the pools' leak detection
 * @param seed where the random choices begin; what the threads make of them is up to the scheduler
 * @param growthLimitBytes how much the heap and the process may grow
 */
record SoakSettings(
        int threads,
        Duration duration,
        long operations,
        double memoryLimitFactor,
        boolean faults,
        boolean checked,
        LeakDetection leakDetection,
        long seed,
        long growthLimitBytes) {}
