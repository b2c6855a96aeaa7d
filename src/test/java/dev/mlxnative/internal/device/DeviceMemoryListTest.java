package dev.mlxnative.internal.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class DeviceMemoryListTest {
    private final DeviceMemoryList list = new DeviceMemoryList();
    private final DeviceMemory first = memory(100);
    private final DeviceMemory second = memory(20);
    private final DeviceMemory third = memory(3);

    /** Memory that is never touched. */
    private static DeviceMemory memory(long bytes) {
        return new DeviceMemory(
                Arena.global(), MemorySegment.ofAddress(1L << 40).reinterpret(bytes), new NoBacking());
    }

    private static final class NoBacking implements Backing {
        @Override
        public BufferObject covering(long offset, long length) {
            throw new AssertionError("a list needs no buffer object");
        }

        @Override
        public boolean isCopy() {
            return false;
        }

        @Override
        public void removeLabel() {
            throw new AssertionError("a list removes no label");
        }

        @Override
        public boolean setVolatile(boolean isVolatile) {
            throw new AssertionError("a list offers nothing");
        }

        @Override
        public void release() {
            throw new AssertionError("a list frees nothing");
        }
    }

    @Test
    void aNewListIsEmpty() {
        assertThat(list.isEmpty()).isTrue();
        assertThat(list.count()).isZero();
        assertThat(list.bytes()).isZero();
        assertThat(list.first()).isNull();
        assertThat(list.poll()).isNull();
        assertThat(list.contains(first)).isFalse();
    }

    @Test
    void memoriesLeaveInTheOrderInWhichTheyWereAdded() {
        list.add(first);
        list.add(second);
        list.add(third);
        assertThat(list.first()).isSameAs(first);
        assertThat(list.poll()).isSameAs(first);
        assertThat(first.next).as("it leads to no other").isNull();
        assertThat(list.poll()).isSameAs(second);
        assertThat(list.isEmpty()).isFalse();
        assertThat(list.poll()).isSameAs(third);
        assertThat(list.isEmpty()).isTrue();
        assertThat(list.poll()).isNull();
    }

    @Test
    void memoriesAndTheirBytesAreCounted() {
        list.add(first);
        list.add(second);
        assertThat(list.count()).isEqualTo(2);
        assertThat(list.bytes()).isEqualTo(120);
        list.poll();
        assertThat(list.count()).isEqualTo(1);
        assertThat(list.bytes()).isEqualTo(20);
        list.poll();
        assertThat(list.count()).isZero();
        assertThat(list.bytes()).isZero();
    }

    @Test
    void anEmptiedListTakesMore() {
        list.add(first);
        list.poll();
        list.add(second);
        list.add(first);
        assertThat(list.poll()).isSameAs(second);
        assertThat(list.poll()).isSameAs(first);
    }

    @Test
    void aListOfOneMemoryCanBeMade() {
        DeviceMemoryList one = DeviceMemoryList.of(first);
        assertThat(one.count()).isEqualTo(1);
        assertThat(one.bytes()).isEqualTo(100);
        assertThat(one.poll()).isSameAs(first);
    }

    @Test
    void theMemoriesOfAnotherListAreAppended() {
        DeviceMemoryList other = DeviceMemoryList.of(second);
        other.add(third);
        list.add(first);
        list.addAll(other);
        assertThat(list.count()).isEqualTo(3);
        assertThat(list.bytes()).isEqualTo(123);
        assertThat(other.isEmpty()).isTrue();
        assertThat(other.bytes()).isZero();
        assertThat(list.poll()).isSameAs(first);
        assertThat(list.poll()).isSameAs(second);
        assertThat(list.poll()).isSameAs(third);
    }

    @Test
    void aMemoryIsFoundWhereverItIsInTheList() {
        list.add(first);
        list.add(second);
        assertThat(list.contains(first)).isTrue();
        assertThat(list.contains(second)).isTrue();
        assertThat(list.contains(third)).isFalse();
        list.poll();
        assertThat(list.contains(first)).isFalse();
        assertThat(list.contains(second)).isTrue();
    }
}
