package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The contract of residency sets, for every library that {@code mlx.shim.path} can name. On a system without residency
 * sets, the same calls must succeed and count nothing.
 */
@Tag("contract")
class ResidencySetContractTest {
    /** A power of two, and at least a page: each buffer of a pool then has a native buffer of its own. */
    private static final long BYTES = 1 << 16;

    private final MlxDevice device = MlxDevice.open();
    private final MlxResidencySet set = device.newResidencySet("weights");

    @AfterEach
    void close() {
        set.close();
        device.close();
    }

    private int members(int count) {
        return set.isSupported() ? count : 0;
    }

    /** Asserts the number of members that the set and, after a commit, the native library count. */
    private void assertCommitted(int count) {
        assertThat(set.size()).isEqualTo(members(count));
        if (set.isSupported()) {
            assertThat(mlxshim_h.mlxshim_residency_set_count(set.handle())).isEqualTo(count);
        }
    }

    @Test
    void hasWhatWasAddedAndNotRemoved() {
        try (MlxBuffer first = device.allocBuffer(DType.U8, 1000);
                MlxBuffer second = device.allocBuffer(DType.U8, 1000)) {
            set.add(first);
            set.add(first);
            set.add(second.slice(10, DType.U8, 10));
            set.add(second);
            set.commit();
            assertCommitted(2);
            set.request();
            set.remove(first);
            set.remove(first);
            set.commit();
            set.commit();
            assertCommitted(1);
            set.end();
            set.remove(second);
            set.add(second);
            set.commit();
            assertCommitted(1);
        }
        assertCommitted(0);
    }

    @Test
    void losesMemoryThatIsFreed() {
        MlxBuffer member = device.allocBuffer(DType.U8, 1000);
        MlxBuffer removed = device.allocBuffer(DType.U8, 1000);
        set.add(member);
        set.add(removed);
        set.commit();
        set.remove(removed);
        removed.close();
        assertCommitted(1);
        member.close();
        assertCommitted(0);
        assertThatIllegalStateException().isThrownBy(() -> set.add(member));
        assertThatIllegalStateException().isThrownBy(() -> set.remove(member));
    }

    @Test
    void hasAHandleUntilItIsClosed() {
        assertThat(set.handle().equals(MemorySegment.NULL)).isEqualTo(!set.isSupported());
        assertThat(set.toString()).startsWith("MlxResidencySet[0 buffers");
        try (MlxBuffer buffer = device.allocBuffer(DType.U8, 1000)) {
            set.add(buffer);
            set.commit();
            set.close();
            set.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> set.add(buffer))
                    .withMessage("the residency set is closed");
            assertThatIllegalStateException().isThrownBy(() -> set.remove(buffer));
            assertThatIllegalStateException().isThrownBy(set::commit);
            assertThatIllegalStateException().isThrownBy(set::request);
            assertThatIllegalStateException().isThrownBy(set::end);
            assertThatIllegalStateException().isThrownBy(set::handle);
            buffer.segment().fill((byte) 1);
        }
        assertThat(set.toString()).endsWith("closed]");
    }

    @Test
    void areThirtyTwoAtMost() {
        List<MlxResidencySet> sets = new ArrayList<>();
        try {
            for (int i = 1; i < device.nativeDevice().traits().maxResidencySets(); i++) {
                sets.add(device.newResidencySet("set " + i));
            }
            if (set.isSupported()) {
                assertThatIllegalStateException()
                        .isThrownBy(() -> device.newResidencySet("one more"))
                        .withMessageContaining("32");
            }
            sets.removeLast().close();
            sets.add(device.newResidencySet("again"));
        } finally {
            sets.forEach(MlxResidencySet::close);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> device.newResidencySet("a\0b"));
    }

    @Test
    void keepsThePoolsBuffersWithOneCommitForABatch() {
        try (MlxBufferPool pool =
                MlxBufferPool.builder(device).residencySet(set).build()) {
            List<MlxBuffer> buffers = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                buffers.add(pool.alloc(DType.U8, BYTES));
            }
            set.commit();
            assertCommitted(10);
            buffers.forEach(pool::release);
            pool.alloc(DType.U8, BYTES).close();
            set.commit();
            assertCommitted(10);
            assertThat(pool.trim(3 * BYTES)).isEqualTo(7 * BYTES);
            assertCommitted(3);
        }
        assertCommitted(0);
    }

    @Test
    void mayBeClosedUnderItsPool() {
        try (MlxBufferPool pool =
                MlxBufferPool.builder(device).residencySet(set).build()) {
            pool.alloc(DType.U8, BYTES).close();
            set.close();
            pool.alloc(DType.U8, 2 * BYTES).close();
            assertThat(pool.clear()).isEqualTo(3 * BYTES);
        }
    }
}
