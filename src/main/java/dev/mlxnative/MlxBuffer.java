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
    private final Block block;
    private final long lease;
    private final Layout layout;
    /** Null for a buffer that is no view. */
    private final @Nullable View view;
    /** Made when it is first asked for: two threads that do so at once make two that are equal. */
    private @Nullable MemorySegment segment;

    /** What makes a buffer a slice. */
    private static final class View {
        private final MlxBuffer parent;
        private volatile boolean closed;

        private View(MlxBuffer parent) {
            this.parent = parent;
        }
    }

    /**
     * Issues a lease of the first bytes of {@code block}, which nobody holds.
     *
     * @param layout what the lease asked for, checked
     */
    MlxBuffer(BufferOwner owner, Block block, Layout layout) {
        // Last, since nothing may fail from here on: whoever gets an exception brings back memory of no lease.
        this(owner, block, layout, null, null, block.issue());
    }

    /**
     * Issues a lease of a part of {@code block}.
     *
     * @param segment exactly the bytes that were asked for
     */
    MlxBuffer(BufferOwner owner, Block block, Layout layout, MemorySegment segment) {
        this(owner, block, layout, segment, null, block.issue());
    }

    private MlxBuffer(
            BufferOwner owner,
            Block block,
            Layout layout,
            @Nullable MemorySegment segment,
            @Nullable View view,
            long lease) {
        this.owner = owner;
        this.block = block;
        this.layout = layout;
        this.segment = segment;
        this.view = view;
        this.lease = lease;
    }

    /** The type of the elements. */
    public DType dtype() {
        return layout.dtype();
    }

    /** The dimensions, outermost first; empty for a scalar. A copy with each call. */
    public long[] shape() {
        return layout.shape();
    }

    /** The product of the dimensions; 1 for a scalar. */
    public long elementCount() {
        return layout.elementCount();
    }

    /** Bytes that were asked for: what {@link #segment} has, which can be more than the elements take. */
    public long byteLength() {
        return layout.byteLength();
    }

    /**
     * Bytes of the native memory behind this buffer: what was asked for, and with a pool what that is rounded to, with
     * wrapped memory all of its pages, with a mapping also what precedes the offset in its page. A slice has its own
     * length.
     */
    public long capacity() {
        return view == null ? block.capacityFor(byteLength()) : byteLength();
    }

    /**
     * The memory itself, without a copy: exactly {@link #byteLength} bytes, starting on a page unless this is a slice
     * or a mapping, or comes from a pool that is {@link Sizing#COMPACT}: then at a multiple of 256 bytes.
     *
     * @throws IllegalStateException if the lease has ended
     */
    public MemorySegment segment() {
        requireLive();
        MemorySegment made = segment;
        if (made == null) {
            made = contents();
            // What is cut from a slab is elsewhere once the lease has ended.
            requireLive();
        }
        return made;
    }

    /** The segment, whatever has become of the lease. */
    private MemorySegment contents() {
        MemorySegment made = segment;
        if (made == null) {
            made = block.segment(owner.arena(), byteLength());
            segment = made;
        }
        return made;
    }

    /** Where the segment starts in the native buffer. */
    private long offset() {
        return contents().address() - block.memory().segment().address();
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
        Arena arena = owner.arena();
        return arena == null ? handle.segment() : handle.segment(arena);
    }

    /**
     * Bytes from the start of the native buffer behind {@link #handle} to the start of this one.
     *
     * @throws IllegalStateException as {@link #handle}
     */
    public long handleOffset() {
        NativeHandle handle = nativeHandle();
        return offset() - handle.start();
    }

    /** The buffer object behind the handle, with the same exceptions. */
    NativeHandle nativeHandle() {
        requireLive();
        return block.memory().handle(offset(), byteLength());
    }

    /**
     * Whether the device works on a copy, because it could not share memory that was wrapped or mapped: virtual
     * machines cannot. What the CPU writes to wrapped memory is then the copy's, and no longer the caller's pages'. Of
     * a mapping above the device's {@link DeviceInfo#maxBufferLength} it is known once a slice has been asked for its
     * handle.
     */
    public boolean isCopy() {
        return block.memory().isCopy();
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
        Layout part = Layout.of(dtype, shape);
        long length = part.byteLength();
        if (byteOffset < 0 || byteOffset > byteLength() || length > byteLength() - byteOffset) {
            throw new IllegalArgumentException("the slice " + part + " of " + length + " bytes at offset " + byteOffset
                    + " does not lie within " + byteLength() + " bytes");
        }
        return new MlxBuffer(owner, block, part, segment().asSlice(byteOffset, length), new View(this), lease);
    }

    /**
     * Names the memory for Metal's debugger and captures, until the lease ends. A slice, or a buffer that shares a
     * native buffer with others, names the whole of that, since Metal knows no other.
     *
     * @throws IllegalArgumentException if the label contains a NUL character
     * @throws IllegalStateException as {@link #handle}
     */
    public void label(String label) {
        MlxDevice.requireText(label);
        NativeHandle handle = nativeHandle();
        block.labelled = true;
        handle.label(label);
    }

    /** Whether the lease has ended or, for a slice, the slice was closed. */
    public boolean isReleased() {
        return (view != null && (view.closed || view.parent.isReleased())) || !block.isLive(lease);
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
        if (view != null) {
            view.closed = true;
        } else if (!isReleased()) {
            owner.end(this, null);
        }
    }

    boolean isView() {
        return view != null;
    }

    BufferOwner owner() {
        return owner;
    }

    Block block() {
        return block;
    }

    long lease() {
        return lease;
    }

    IssuedLease issuedLease() {
        return new IssuedLease(block, lease, owner.leaseArena(), byteLength());
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
        return "MlxBuffer[" + layout + ", " + byteLength() + " bytes of " + capacity()
                + (isView() ? ", slice at " + offset() : "") + (isReleased() ? ", released]" : "]");
    }
}
