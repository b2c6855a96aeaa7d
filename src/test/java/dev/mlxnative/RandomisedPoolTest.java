package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.shim.Shim;
import java.time.Duration;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random calls of several threads to a pool whose device refuses some creations. No two leases share a byte, memory
 * that waits for a fence keeps its contents, and the pool's statistics match the model that the threads keep.
 *
 * <p>{@code -Dmlx.test.seeds=7,8} replaces the default seeds, and {@code -Dmlx.test.operations=100000} the number of
 * operations. A seed determines the calls of each thread, but not how the threads interleave.
 */
@Tag("faults")
@Timeout(value = 600, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RandomisedPoolTest {
    private static final long OPERATIONS = Long.getLong("mlx.test.operations", 10_000_000);
    private static final long[] SEEDS = Arrays.stream(
                    System.getProperty("mlx.test.seeds", "1,2,3,4").split(","))
            .mapToLong(Long::parseLong)
            .toArray();
    private static final int THREADS = 4;
    private static final int STEPS = 600;
    /** For pools whose leases cost a hundred times as much: checked ones, and those that watch every lease. */
    private static final int SLOW_STEPS = 200;

    private static final String FENCE_FAILED = "failed: the memory that is parked with it stays parked";

    @RegisterExtension
    final LogRecords log = new LogRecords();

    @AfterEach
    void end() {
        NativeFaults.clear();
    }

    enum Kind {
        DEFAULT(builder -> {}, STEPS),
        ZEROED(builder -> builder.zeroing(Zeroing.ALWAYS), STEPS),
        CHECKED(builder -> builder.checked(true), SLOW_STEPS),
        WATCHED(builder -> builder.leakDetection(LeakDetection.FULL), SLOW_STEPS),
        COMPACT(builder -> builder.sizing(Sizing.COMPACT), STEPS),
        COMPACT_CHECKED(builder -> builder.sizing(Sizing.COMPACT).checked(true), SLOW_STEPS),
        COMPACT_WATCHED(builder -> builder.sizing(Sizing.COMPACT).leakDetection(LeakDetection.FULL), SLOW_STEPS),
        LIMITED(
                builder -> {
                    long page = Shim.pageSize();
                    builder.memoryLimit(64 * page)
                            .cacheLimit(32 * page)
                            .bufferLimit(50)
                            .trimIdleAfter(Duration.ofMillis(10));
                },
                SLOW_STEPS);

        private final Consumer<MlxBufferPool.Builder> configuration;
        private final int steps;

        Kind(Consumer<MlxBufferPool.Builder> configuration, int steps) {
            this.configuration = configuration;
            this.steps = steps;
        }
    }

    static Stream<Arguments> seedsForEachKindOfThread() {
        return LongStream.of(SEEDS)
                .boxed()
                .flatMap(seed -> Stream.of(Arguments.of(seed, false), Arguments.of(seed, true)));
    }

    static Stream<Arguments> seedsForEachKindOfPool() {
        return LongStream.of(SEEDS)
                .boxed()
                .flatMap(seed -> Stream.of(Kind.values()).map(kind -> Arguments.of(seed, kind)));
    }

    @ParameterizedTest
    @MethodSource("seedsForEachKindOfThread")
    void millionsOfLeasesLeaveNothing(long seed, boolean virtual) {
        long share = OPERATIONS / SEEDS.length / 2;
        long operations = 0;
        while (operations < share) {
            // Each step begins one lease and, on average, ends one.
            int steps = Math.toIntExact(Math.min(share - operations, 1_000_000) / THREADS / 2 + 1);
            RandomRound round = new RandomRound(plan(Kind.DEFAULT, THREADS, virtual, 0), seed + operations);
            operations += run(round, user -> user.leaseAndRelease(steps));
        }
        assertThat(operations).isGreaterThanOrEqualTo(share);
    }

    @ParameterizedTest
    @MethodSource("seedsForEachKindOfPool")
    void theStatisticsMatchTheModel(long seed, Kind kind) {
        long operations = 0;
        long refusals = 0;
        long leaks = 0;
        for (int events = 0; events < 16; events++) {
            boolean virtual = (events + seed) % 2 == 0;
            RandomRound round = new RandomRound(plan(kind, THREADS, virtual, events), seed);
            operations += run(round, user -> user.makeRandomCalls(kind.steps));
            refusals += round.refusals();
            leaks += round.leaks();
        }
        RandomRound alone = new RandomRound(plan(kind, 1, false, 0), seed);
        operations += run(alone, user -> user.makeRandomCalls(kind.steps));
        leaks += alone.leaks();
        log.await(Math.toIntExact(leaks), "leak in pool");
        assertThat(log.without("leak in pool", "was closed", FENCE_FAILED)).isEmpty();
        assertThat(log.origins(FENCE_FAILED)).allMatch(GpuWork.Failure.class::isInstance);
        assertThat(operations).isGreaterThanOrEqualTo(16L * THREADS * kind.steps);
        assertThat(refusals).as("requests that ran out of memory").isPositive();
    }

    /** @param events the kinds of events in the round, one bit for each */
    private static RandomRound.Plan plan(Kind kind, int threads, boolean virtual, int events) {
        return new RandomRound.Plan(
                kind.configuration,
                kind.name().startsWith("COMPACT"),
                kind == Kind.ZEROED,
                kind == Kind.WATCHED || kind == Kind.COMPACT_WATCHED,
                threads,
                virtual,
                (events & 1) != 0,
                (events & 2) != 0,
                (events & 4) != 0,
                (events & 8) != 0);
    }

    private static long run(RandomRound round, RandomRound.Use use) {
        try {
            return round.run(use);
        } catch (Throwable e) {
            throw new AssertionError(round + ": " + e.getMessage(), e);
        }
    }
}
