package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Memory of the device.
 *
 * <p>Every segment over the memory is tied to an arena that is closed before the memory is given back: a segment that
 * outlives its lease sees this memory's next contents or throws, never unmapped memory.
 */
final class NativeBuffer {
    private final SharedHandle device;
    /** Closing it is refused while a native call has one of its segments, and ends every access otherwise. */
    private final Arena access;

    private final MemorySegment segment;
    private final NativeHandles handles;

    private NativeBuffer(SharedHandle device, Arena access, MemorySegment segment, NativeHandles handles) {
        this.device = device;
        this.access = access;
        this.segment = segment;
        this.handles = handles;
    }

    /**
     * Creates a zeroed buffer of {@code capacity} bytes.
     *
     * @param device acquired by the caller; the buffer keeps that use until it is freed
     * @throws BufferAllocationException if the device has no memory left
     */
    static NativeBuffer create(SharedHandle device, long capacity) {
        MemorySegment raw = Shim.createBuffer(device.handle(), capacity);
        return takeOver(device, raw, access -> contents(raw, capacity, access), false);
    }

    /**
     * Makes a buffer of a caller's pages, without a copy. The segment over them stays the caller's.
     *
     * @param device as for {@link #create}
     * @throws UnsupportedOperationException if the device cannot, as in virtual machines
     */
    static NativeBuffer wrap(SharedHandle device, MemorySegment segment) {
        // By address: a segment that is confined to another thread is as good as any.
        MemorySegment pages = MemorySegment.ofAddress(segment.address());
        MemorySegment raw = Shim.wrapPages(device.handle(), pages, segment.byteSize());
        return takeOver(device, raw, access -> segment, false);
    }

    /**
     * Creates a buffer with a copy of a caller's pages, for a device that cannot wrap them.
     *
     * @param device as for {@link #create}
     */
    static NativeBuffer copyOf(SharedHandle device, MemorySegment pages) {
        MemorySegment raw = Shim.createBuffer(device.handle(), pages.byteSize());
        UnaryOperator<MemorySegment> protection =
                pages.isReadOnly() ? MemorySegment::asReadOnly : UnaryOperator.identity();
        return takeOver(
                device,
                raw,
                access ->
                        protection.apply(contents(raw, pages.byteSize(), access).copyFrom(pages)),
                true);
    }

    private static MemorySegment contents(MemorySegment raw, long capacity, Arena access) {
        return MemorySegment.ofAddress(Shim.contents(raw).address()).reinterpret(capacity, access, null);
    }

    /** Makes a buffer of a buffer object, which is given back if that fails. */
    private static NativeBuffer takeOver(
            SharedHandle device, MemorySegment raw, Function<Arena, MemorySegment> memory, boolean copy) {
        try {
            Arena access = Arena.ofShared();
            MemorySegment segment = memory.apply(access);
            NativeHandle handle = new NativeHandle(raw, access, 0, segment.byteSize());
            return new NativeBuffer(device, access, segment, NativeHandles.one(handle, copy));
        } catch (Throwable e) {
            Shim.releaseBuffer(raw);
            throw e;
        }
    }

    /**
     * Makes a read-only buffer of a mapping.
     *
     * @param device as for {@link #create}
     * @param pages the arena of the mapping, closed after the buffer
     * @param mapping from a page's start to where the file's contents end
     */
    static NativeBuffer map(SharedHandle device, DeviceInfo info, Arena pages, MemorySegment mapping) {
        Arena access = Arena.ofShared();
        MemorySegment segment = MemorySegment.ofAddress(mapping.address())
                .reinterpret(mapping.byteSize(), access, null)
                .asReadOnly();
        NativeHandles handles = NativeHandles.ofMapping(device, info.maxBufferLength(), access, pages, mapping);
        return new NativeBuffer(device, access, segment, handles);
    }

    /**
     * The buffer object that covers these bytes.
     *
     * @throws IllegalStateException if no one object can
     */
    NativeHandle handle(long offset, long length) {
        return handles.covering(offset, length);
    }

    /** The buffer object over all of it. */
    NativeHandle wholeHandle() {
        return handle(0, capacity());
    }

    /** Whether the device works on a copy of what was to be shared. */
    boolean isCopy() {
        return handles.isCopy();
    }

    /** All of the memory. */
    MemorySegment segment() {
        return segment;
    }

    long capacity() {
        return segment.byteSize();
    }

    /** Takes a former holder's label away. */
    void unlabel() {
        handles.unlabel();
    }

    /**
     * Gives the memory back to the device; false if a native call still uses it, and then nothing has happened. Only
     * for the owner, once it has returned true never again.
     */
    boolean tryFree() {
        try {
            access.close();
        } catch (IllegalStateException inUse) {
            return false;
        }
        handles.release();
        device.release();
        return true;
    }
}
