package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two queues with work in flight meet releases, resets, scopes and scratch memory of one pool. All bytes of every
 * buffer are compared with a model: memory that is leased again too early would have the bytes of another buffer.
 */
@Tag("contract")
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class RandomisedComputeTest {
    private static final int STEPS = 1500;
    private static final int MAX_LEASES = 12;

    /** A buffer of one queue, with the byte that all of it has once the queue is done. */
    private static final class Lease {
        private final MlxBuffer buffer;
        private final Lane lane;
        private byte mark;

        private Lease(MlxBuffer buffer, Lane lane, byte mark) {
            this.buffer = buffer;
            this.lane = lane;
            this.mark = mark;
        }
    }

    /** What a command buffer has copied of a buffer, to be compared when it is complete. */
    private record Expected(MlxBuffer copy, byte mark) {}

    /** A queue, its command buffer that is being encoded, and what its commands will have written. */
    private static final class Lane {
        private final MlxCommandQueue queue;
        private final MlxSharedEvent event;
        private MlxCommandBuffer commands;
        private long holds;
        private final List<Expected> expected = new ArrayList<>();

        private Lane(MlxDevice device, MlxBufferPool pool) {
            queue = device.newCommandQueue(pool);
            event = device.newSharedEvent();
            commands = queue.newCommandBuffer();
        }

        private void commit() {
            commands.commit();
            commands = queue.newCommandBuffer();
        }

        /** Lets all work run, and compares what it has copied. */
        private void finish() throws InterruptedException {
            commit();
            event.signal(holds);
            queue.await();
            for (Expected one : expected) {
                requireMark(one.copy, one.mark);
                one.copy.close();
            }
            expected.clear();
        }

        private void close() {
            commands.close();
            queue.close();
            event.close();
        }
    }

    private final Random random = new Random();
    private final List<Lease> leases = new ArrayList<>();
    private byte lastMark;

    private static void requireMark(MlxBuffer buffer, byte mark) {
        byte[] bytes = buffer.segment().toArray(JAVA_BYTE);
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] != mark) {
                throw new AssertionError("byte " + i + " of " + bytes.length + " is " + bytes[i] + " and not " + mark);
            }
        }
    }

    private byte nextMark() {
        return ++lastMark;
    }

    private int nextSize() {
        return 1 + random.nextInt(random.nextInt(4) == 0 ? 200_000 : 5_000);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void memoryInFlightKeepsItsBytes(long seed) throws Exception {
        random.setSeed(seed);
        Sizing sizing = seed % 2 == 0 ? Sizing.COMPACT : Sizing.POWER_OF_TWO;
        try (MlxDevice device = MlxDevice.open();
                MlxBufferPool pool = MlxBufferPool.builder(device)
                        .sizing(sizing)
                        .leakDetection(LeakDetection.OFF)
                        .build()) {
            Lane[] lanes = {new Lane(device, pool), new Lane(device, pool)};
            for (int i = 0; i < STEPS; i++) {
                step(device, pool, lanes[random.nextInt(2)]);
            }
            for (Lane lane : lanes) {
                lane.finish();
                lane.close();
            }
            pool.reset();
            PoolStats stats = pool.stats();
            assertThat(stats.parkedCount())
                    .as("parked buffers of seed %d", seed)
                    .isZero();
            assertThat(stats.activeCount()).isZero();
            leases.clear();
        }
    }

    private void step(MlxDevice device, MlxBufferPool pool, Lane lane) throws InterruptedException {
        switch (random.nextInt(12)) {
            case 0, 1, 2 -> lease(pool, lane);
            case 3 -> fill();
            case 4, 5 -> expect(device);
            case 6, 7 -> end(pool);
            case 8 -> useScratch(lane);
            case 9 -> useScope(device, pool, lane);
            case 10 -> {
                if (random.nextBoolean()) {
                    lane.commands.waitFor(lane.event, ++lane.holds);
                }
                lane.commit();
                if (random.nextBoolean()) {
                    lane.event.signal(lane.holds);
                }
            }
            default -> {
                if (random.nextInt(10) == 0) {
                    endAll(pool);
                } else if (random.nextInt(3) == 0) {
                    lane.finish();
                }
            }
        }
    }

    private void lease(MlxBufferPool pool, Lane lane) {
        if (leases.size() < MAX_LEASES) {
            MlxBuffer buffer = pool.alloc(DType.U8, nextSize());
            byte mark = nextMark();
            buffer.segment().fill(mark);
            leases.add(new Lease(buffer, lane, mark));
        }
    }

    private Lease any() {
        return leases.get(random.nextInt(leases.size()));
    }

    private void fill() {
        if (!leases.isEmpty()) {
            Lease lease = any();
            lease.mark = nextMark();
            lease.lane.commands.fill(lease.buffer, lease.mark);
        }
    }

    /** Has the queue copy a buffer for a later comparison. */
    private void expect(MlxDevice device) {
        if (!leases.isEmpty()) {
            Lease lease = any();
            expect(device, lease.lane, lease.buffer, lease.mark);
        }
    }

    private static void expect(MlxDevice device, Lane lane, MlxBuffer buffer, byte mark) {
        MlxBuffer copy = device.allocBuffer(DType.U8, buffer.byteLength());
        lane.commands.copy(buffer, copy);
        lane.expected.add(new Expected(copy, mark));
    }

    private void end(MlxBufferPool pool) {
        if (!leases.isEmpty()) {
            Lease lease = leases.remove(random.nextInt(leases.size()));
            if (random.nextBoolean()) {
                lease.buffer.close();
            } else {
                pool.release(lease.buffer);
            }
        }
    }

    private void endAll(MlxBufferPool pool) {
        pool.reset();
        leases.clear();
    }

    private void useScratch(Lane lane) {
        if (leases.isEmpty()) {
            return;
        }
        Lease lease = any();
        if (lease.lane != lane) {
            return;
        }
        MlxBuffer first = lane.commands.scratch(DType.U8, lease.buffer.byteLength());
        lane.commands.fill(first, nextMark());
        if (random.nextBoolean()) {
            first.close();
            first = lane.commands.scratch(DType.U8, lease.buffer.byteLength());
        }
        lease.mark = nextMark();
        lane.commands.fill(first, lease.mark);
        lane.commands.copy(first, lease.buffer);
    }

    private void useScope(MlxDevice device, MlxBufferPool pool, Lane lane) {
        try (MlxScope scope = random.nextBoolean() ? pool.scope() : pool.confinedScope()) {
            for (int i = 0; i < 3; i++) {
                MlxBuffer buffer = scope.alloc(DType.U8, nextSize());
                byte mark = nextMark();
                buffer.segment().fill(mark);
                expect(device, lane, buffer, mark);
                if (random.nextBoolean()) {
                    buffer.close();
                }
            }
        }
    }
}
