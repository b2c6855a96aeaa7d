package dev.mlxnative.internal.device;

import dev.mlxnative.BufferAllocationException;
import java.util.function.Consumer;

/** A device as a pool sees it: native memory is allocated here and freed here. Thread-safe. */
public interface MemorySource {
    /** The numbers that decide sizes and limits. */
    DeviceTraits traits();

    /** Whether the memory is of this device. */
    boolean isOf(NativeDevice device);

    /** Whether the contents of idle memory may be offered to the system. */
    boolean mayOffer();

    /** Bytes that the device recommends to use at most; 0 if it recommends nothing. */
    long recommendedBytes();

    /**
     * Checks that the device is open.
     *
     * @throws IllegalStateException if it is closed
     */
    void requireOpen();

    /**
     * Allocates zeroed memory, which the caller then owns.
     *
     * @param capacity bytes, from 1 to the device's largest buffer; the caller has checked it
     * @throws BufferAllocationException if the device has no memory left
     * @throws IllegalStateException if the device is closed
     */
    DeviceMemory allocate(long capacity);

    /**
     * Frees memory of this source that the caller owns: at once, or as soon as no native call uses it any more. Takes
     * each memory from the list as it does so. If this throws, the caller still owns what the list has.
     *
     * @param freed called with each memory once it is freed, by any thread; must not throw
     */
    void free(DeviceMemoryList memories, Consumer<DeviceMemory> freed);

    /** Bytes that the device counts for this process; 0 once the device is closed and unused. */
    long allocatedBytes();
}
