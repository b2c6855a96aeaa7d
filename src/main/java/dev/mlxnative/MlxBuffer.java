package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A lease of memory that CPU and GPU share: typed, shaped, and returned exactly once.
 *
 * <p>A buffer comes from a {@link MlxDevice}, a {@link MlxBufferPool} or a {@link MlxScope}, and {@link #close} brings
 * it back there. A {@link #slice} is a view of another buffer's lease: it ends with that lease and never ends it.
 *
 * <p>Once the lease has ended, {@link #segment}, {@link #handle}, {@link #handleOffset}, {@link #slice} and
 * {@link #label} throw {@link IllegalStateException}; what describes the buffer stays readable. A segment that was
 * taken before and is used after either throws or sees the memory's next contents, until the memory itself goes; it
 * never faults.
 */
public final class MlxBuffer implements AutoCloseable {
    private final BufferOwner owner;
    private final NativeBuffer memory;
    private final long lease;
    /** Null for a buffer that is no view. */
    private final @Nullable MlxBuffer parent;
    /** What the segment is tied to, where that is not the memory: the lease alone, or its scope. */
    private final @Nullable Arena arena;

    private final boolean arenaEndsWithLease;

    private final MemorySegment segment;
    /** Where the segment starts in the memory. */
    private final long offset;

    private final long capacity;
    private final DType dtype;
    private final long[] shape;
    private final long elementCount;
    private volatile boolean viewClosed;

    /**
     * Issues a lease of {@code memory}, which nobody holds.
     *
     * @param segment exactly the bytes that were asked for
     * @param arena the segment's arena, where it is not the memory's
     * @param arenaEndsWithLease whether the arena is this lease's alone, and to be closed with it
     * @param shape checked, and not kept by anyone else
     */
    MlxBuffer(
            BufferOwner owner,
            NativeBuffer memory,
            MemorySegment segment,
            @Nullable Arena arena,
            boolean arenaEndsWithLease,
            DType dtype,
            long[] shape) {
        this(
                owner,
                memory,
                null,
                arena,
                arenaEndsWithLease,
                segment,
                segment.address() - memory.segment().address(),
                memory.capacity(),
                dtype,
                shape,
                Shapes.elementCount(shape),
                // Last, since nothing may fail from here on: whoever gets an exception brings back memory of no lease.
                memory.issue());
    }

    private MlxBuffer(
            BufferOwner owner,
            NativeBuffer memory,
            @Nullable MlxBuffer parent,
            @Nullable Arena arena,
            boolean arenaEndsWithLease,
            MemorySegment segment,
            long offset,
            long capacity,
            DType dtype,
            long[] shape,
            long elementCount,
            long lease) {
        this.owner = owner;
        this.memory = memory;
        this.lease = lease;
        this.parent = parent;
        this.arena = arena;
        this.arenaEndsWithLease = arenaEndsWithLease;
        this.segment = segment;
        this.offset = offset;
        this.capacity = capacity;
        this.dtype = dtype;
        this.shape = shape;
        this.elementCount = elementCount;
    }

    /** The type of the elements. */
    public DType dtype() {
        return dtype;
    }

    /** The dimensions, outermost first; empty for a scalar. A copy with each call. */
    public long[] shape() {
        return shape.clone();
    }

    /** The product of the dimensions; 1 for a scalar. */
    public long elementCount() {
        return elementCount;
    }

    /** Bytes that were asked for: what {@link #segment} has, which can be more than the elements take. */
    public long byteLength() {
        return segment.byteSize();
    }

    /**
     * Bytes of the native memory behind this buffer: what was asked for, and with a pool its bucket, with wrapped
     * memory all of its pages, with a mapping also what precedes the offset in its page. A slice has its own length.
     */
    public long capacity() {
        return capacity;
    }

    /**
     * The memory itself, without a copy: exactly {@link #byteLength} bytes, starting on a page unless this is a slice
     * or a mapping.
     *
     * @throws IllegalStateException if the lease has ended
     */
    public MemorySegment segment() {
        requireLive();
        return segment;
    }

    /**
     * The {@code id<MTLBuffer>} for the caller's own Metal calls, which read this buffer at {@link #handleOffset}; on
     * {@link Backend#HOST} an opaque pointer. A segment of length 0 with the lifetime of {@link #segment}: passing it
     * to a native call keeps the memory alive for as long as the call lasts, and no longer.
     *
     * @throws IllegalStateException if the lease has ended, or this is a mapping above the device's
     *     {@link DeviceInfo#maxBufferLength}, of which only slices have a handle
     * @throws BufferAllocationException if this is a slice of such a mapping and the device has no memory left for it
     */
    public MemorySegment handle() {
        NativeHandle handle = nativeHandle();
        return arena == null ? handle.segment() : handle.segment(arena);
    }

    /**
     * Bytes from the start of the native buffer behind {@link #handle} to the start of this one.
     *
     * @throws IllegalStateException as {@link #handle}
     */
    public long handleOffset() {
        return offset - nativeHandle().start();
    }

    /** The buffer object behind the handle, with the same exceptions. */
    NativeHandle nativeHandle() {
        requireLive();
        return memory.handle(offset, byteLength());
    }

    /**
     * Whether the device works on a copy, because it could not share memory that was wrapped or mapped: virtual
     * machines cannot. What the CPU writes to wrapped memory is then the copy's, and no longer the caller's pages'. Of
     * a mapping above the device's {@link DeviceInfo#maxBufferLength} it is known once a slice has been asked for its
     * handle.
     */
    public boolean isCopy() {
        return memory.isCopy();
    }

    /**
     * A view of a part of this buffer, sharing its memory. It ends when this buffer's lease ends; closing it never ends
     * that lease, and a pool refuses to release it. A slice's own capacity is its length.
     *
     * @param byteOffset where the view starts, from 0; GPUs ask for a multiple of the element size, which is not
     *     checked
     * @param dtype the type of the view's elements, whatever this buffer's
     * @param shape the view's dimensions; they decide its length
     * @throws IllegalArgumentException if the view does not lie within {@link #byteLength}, or the shape is wrong
     * @throws IllegalStateException if the lease has ended
     */
    public MlxBuffer slice(long byteOffset, DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        long length = Shapes.byteLength(dtype, dimensions);
        if (byteOffset < 0 || byteOffset > byteLength() || length > byteLength() - byteOffset) {
            throw new IllegalArgumentException("the slice " + Shapes.describe(dtype, dimensions) + " of " + length
                    + " bytes at offset " + byteOffset + " does not lie within " + byteLength() + " bytes");
        }
        return new MlxBuffer(
                owner,
                memory,
                this,
                arena,
                false,
                segment().asSlice(byteOffset, length),
                offset + byteOffset,
                length,
                dtype,
                dimensions,
                Shapes.elementCount(dimensions),
                lease);
    }

    /**
     * Names the memory for Metal's debugger and captures, until the lease ends. A slice names the whole native buffer,
     * since Metal knows no other.
     *
     * @throws IllegalArgumentException if the label contains a NUL character
     * @throws IllegalStateException as {@link #handle}
     */
    public void label(String label) {
        MlxDevice.requireText(label);
        nativeHandle().label(label);
    }

    /** Whether the lease has ended or, for a slice, the slice was closed. */
    public boolean isReleased() {
        return viewClosed || (parent != null && parent.isReleased()) || !memory.isLive(lease);
    }

    /**
     * Ends the lease: the memory goes back to where it came from. Closing again, or after the lease ended in another
     * way, does nothing. Closing a slice closes just the slice.
     *
     * @throws IllegalStateException in a checked pool, if a native call is using the segment; the lease goes on
     * @throws WrongThreadException if the buffer is of a scope that is confined to another thread; such a scope takes
     *     its memory with it when the thread ends without closing it
     */
    @Override
    public void close() {
        if (isView()) {
            viewClosed = true;
        } else if (!isReleased()) {
            owner.end(this, null);
        }
    }

    boolean isView() {
        return parent != null;
    }

    BufferOwner owner() {
        return owner;
    }

    NativeBuffer memory() {
        return memory;
    }

    IssuedLease issuedLease() {
        return new IssuedLease(memory, lease, arenaEndsWithLease ? arena : null, byteLength());
    }

    /**
     * Makes this the lease's one end; false if it has ended before.
     *
     * @throws IllegalStateException if a native call uses the segment of a lease with an arena of its own
     * @throws WrongThreadException if that arena is confined to another thread
     */
    boolean endLease() {
        return (!arenaEndsWithLease || NativeBuffer.closeForGood(arena)) && memory.end(lease);
    }

    /** @throws IllegalStateException if the lease has ended, or the slice was closed */
    private void requireLive() {
        if (isReleased()) {
            throw new IllegalStateException(this + " can no longer be used");
        }
    }

    /** For people: type, shape, size and state. */
    @Override
    public String toString() {
        return "MlxBuffer[" + Shapes.describe(dtype, shape) + ", " + byteLength() + " bytes of " + capacity
                + (isView() ? ", slice at " + offset : "") + (isReleased() ? ", released]" : "]");
    }
}
