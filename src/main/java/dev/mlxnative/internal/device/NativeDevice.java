package dev.mlxnative.internal.device;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DeviceInfo;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.shim.Shim;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/** An open device: allocates, wraps and maps memory, and frees it. Thread-safe. */
public final class NativeDevice implements MemorySource {
    private final RefCountedHandle handle;
    private final DeviceInfo info;
    private final DeviceTraits traits;
    private final FileMappings mappings = new FileMappings(MappingLimit.OF_PROCESS);

    private NativeDevice(MemorySegment handle) {
        this.handle = new RefCountedHandle("device", handle, Shim::releaseDevice);
        this.info = Shim.deviceInfo(handle);
        this.traits = DeviceTraits.ofMetal(Shim.pageSize(), info.maxBufferLength());
    }

    /**
     * Opens the default device of the library that is loaded.
     *
     * @throws dev.mlxnative.DeviceNotFoundException if the library finds no device
     */
    public static NativeDevice open() {
        return Shim.openDevice(handle -> {
            NativeDevice device = new NativeDevice(handle);
            device.rehearse();
            return device;
        });
    }

    /**
     * Allocates, clears, offers and frees a page, so that the JVM has linked the calls and initialised their classes:
     * with a full heap or stack that could fail, in the middle of freeing a buffer or once for all calls that follow.
     */
    private void rehearse() {
        try {
            DeviceMemory page = allocate(traits.pageSize());
            try {
                page.segment().fill((byte) 0);
                DeviceMemory.acceptOffers(page.offer(null));
                page.takeBack(true);
            } finally {
                free(DeviceMemoryList.of(page), freed -> {});
            }
        } catch (BufferAllocationException | UnsupportedOperationException e) {
            // The device has no memory at this moment, or refuses to take back an offer; the caller finds that out.
        }
    }

    /** The device's properties, readable after it is closed. */
    public DeviceInfo info() {
        return info;
    }

    /** The handle, reference-counted: memory that was made with it keeps it alive. */
    public RefCountedHandle handle() {
        return handle;
    }

    @Override
    public DeviceTraits traits() {
        return traits;
    }

    @Override
    public boolean isOf(NativeDevice device) {
        return this == device;
    }

    @Override
    public boolean mayOffer() {
        return true;
    }

    @Override
    public long recommendedBytes() {
        return info.recommendedMaxWorkingSetSize();
    }

    @Override
    public void requireOpen() {
        handle.requireOpen();
    }

    /**
     * Checks that a native buffer of the device can have this length.
     *
     * @throws IllegalArgumentException if it is below 1, or above the largest buffer
     */
    public void requireAllocatable(long byteLength) {
        if (byteLength < 1 || byteLength > traits.maxBufferLength()) {
            throw new IllegalArgumentException(
                    "a buffer has from 1 to " + traits.maxBufferLength() + " bytes on this device, not " + byteLength);
        }
    }

    @Override
    public long allocatedBytes() {
        if (!handle.tryAcquire()) {
            return 0;
        }
        try {
            return Shim.allocatedBytes(handle.handle());
        } finally {
            handle.release();
        }
    }

    @Override
    public DeviceMemory allocate(long capacity) {
        return create(() -> {
            Contents all = (raw, access) -> contents(raw, capacity, access);
            return Shim.createBuffer(handle.handle(), capacity, raw -> takeOver(raw, all, false));
        });
    }

    /**
     * Makes memory of the caller's pages, without a copy if the device can share them. The segment of the memory is the
     * caller's, or that of the copy.
     *
     * @param pages whole pages within the device's largest buffer
     * @throws BufferAllocationException if the device has no memory left for a copy
     * @throws IllegalStateException if the device is closed
     * @throws WrongThreadException if the pages have to be copied and are confined to another thread
     */
    public DeviceMemory wrap(MemorySegment pages) {
        return create(() -> {
            try {
                // By address: confinement to another thread does not matter to the device.
                MemorySegment first = MemorySegment.ofAddress(pages.address());
                Contents ofCaller = (raw, access) -> pages;
                return Shim.wrapPages(handle.handle(), first, pages.byteSize(), raw -> takeOver(raw, ofCaller, false));
            } catch (UnsupportedOperationException e) {
                MappingBacking.warnOfCopy(pages.byteSize());
                return copyOf(pages);
            }
        });
    }

    private DeviceMemory copyOf(MemorySegment pages) {
        UnaryOperator<MemorySegment> protection =
                pages.isReadOnly() ? MemorySegment::asReadOnly : UnaryOperator.identity();
        Contents copy = (raw, access) ->
                protection.apply(contents(raw, pages.byteSize(), access).copyFrom(pages));
        return Shim.createBuffer(handle.handle(), pages.byteSize(), raw -> takeOver(raw, copy, true));
    }

    /**
     * Makes read-only memory of a part of a file.
     *
     * @param first where the part starts in the file, in bytes: at a page
     * @param length bytes of the part, at least 1 and within the file
     * @throws IOException if the file cannot be mapped or, for a copy, read
     * @throws BufferAllocationException if the device has no memory left, for a copy above all
     * @throws IllegalStateException if the device is closed
     */
    public DeviceMemory map(MappableFile file, long first, long length) throws IOException {
        RefCountedHandle mapping = mappings.acquire(file);
        DeviceMemory mapped = null;
        try {
            mapped = create(() -> {
                Arena access = Arena.ofShared();
                MemorySegment segment = MemorySegment.ofAddress(mapping.handle().address() + first)
                        .reinterpret(length, access, null)
                        .asReadOnly();
                return new DeviceMemory(
                        access, segment, new MappingBacking(handle, traits, access, file, mapping, first, length));
            });
            return mapped;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } finally {
            if (mapped == null) {
                mapping.release();
            }
        }
    }

    private static MemorySegment contents(MemorySegment raw, long capacity, Arena access) {
        return MemorySegment.ofAddress(Shim.contents(raw).address()).reinterpret(capacity, access, null);
    }

    /** Makes the segment of a memory, with an arena that ends before the buffer object does. */
    @FunctionalInterface
    private interface Contents {
        MemorySegment of(MemorySegment raw, Arena access);
    }

    private DeviceMemory takeOver(MemorySegment raw, Contents contents, boolean copy) {
        Arena access = Arena.ofShared();
        MemorySegment segment = contents.of(raw, access);
        BufferObject object = new BufferObject(raw, access, 0, segment.byteSize());
        return new DeviceMemory(access, segment, new SingleBacking(handle, object, copy));
    }

    @FunctionalInterface
    private interface Creation {
        DeviceMemory create();
    }

    /** Makes memory with a reference to the device, which the memory keeps until it is freed. */
    private DeviceMemory create(Creation creation) {
        requireOpen();
        handle.acquire();
        DeviceMemory created = null;
        try {
            created = creation.create();
            return created;
        } finally {
            if (created == null) {
                handle.release();
            }
        }
    }

    @Override
    public void free(DeviceMemoryList memories, Consumer<DeviceMemory> freed) {
        Throwable failure = null;
        for (int left = memories.count(); left > 0; left--) {
            DeviceMemory memory = memories.poll();
            if (memory == null) {
                throw new AssertionError("the list has " + left + " memories fewer than it counts");
            }
            boolean done = false;
            try {
                freeOrRetry(memory, freed);
                done = true;
            } catch (RuntimeException | Error e) {
                failure = e; // one that cannot be freed must not keep the others
            } finally {
                if (!done) {
                    memories.add(memory);
                }
            }
        }
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure instanceof RuntimeException exception) {
            throw exception;
        }
    }

    private static void freeOrRetry(DeviceMemory memory, Consumer<DeviceMemory> freed) {
        if (!tryFree(memory, freed)) {
            DaemonTimer.shared().retry(() -> tryFree(memory, freed));
        }
    }

    private static boolean tryFree(DeviceMemory memory, Consumer<DeviceMemory> freed) {
        boolean done = memory.tryFree();
        if (done) {
            freed.accept(memory);
        }
        return done;
    }
}
