package dev.mlxnative.bench.soak;

import dev.mlxnative.LeakDetection;
import java.time.Duration;

/**
 * The settings of a soak.
 *
 * @param threads the number of threads that share a pool; one more thread has its own pool, which it resets
 * @param duration the duration of the soak
 * @param operations the minimum number of leases that begin or end, unless the duration is over first
 * @param memoryLimitFactor the pool's memory limit over the sum of the peak live bytes of the threads' traces
 * @param faults whether the device fails now and then
 * @param vmErrors whether stacks overflow and the heap is full now and then
 * @param checked whether the pools are in checked mode
 * @param leakDetection the pools' leak detection
 * @param seed the seed of the random choices; the order of the threads' operations still depends on the scheduler
 * @param growthLimitBytes the limit of the growth of the heap, and of the process
 */
record SoakSettings(
        int threads,
        Duration duration,
        long operations,
        double memoryLimitFactor,
        boolean faults,
        boolean vmErrors,
        boolean checked,
        LeakDetection leakDetection,
        long seed,
        long growthLimitBytes) {}
