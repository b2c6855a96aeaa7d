package dev.mlxnative;

import dev.mlxnative.internal.compute.CommandEncoder;
import dev.mlxnative.internal.device.BufferObject;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.pool.LeaseOrigin;
import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * A lease of memory that CPU and GPU share. It has an element type and a shape, and it ends exactly once.
 *
 * <p>A buffer comes from a {@link MlxDevice}, a {@link MlxBufferPool} or a {@link MlxScope}, and {@link #close} returns
 * its memory there. A {@link #slice} is a view of another buffer's lease: it ends with that lease and never ends it.
 *
 * <p>After the lease has ended, {@link #segment}, {@link #handle}, {@link #handleOffset}, {@link #slice} and
 * {@link #label} throw {@link IllegalStateException}; type, shape and lengths stay readable. A segment that was taken
 * before the end either throws, or shows the next contents of the memory until the memory itself is freed. It never
 * reaches unmapped memory.
 */
public final class MlxBuffer implements AutoCloseable {
    private final LeaseOrigin origin;
    private final Block block;
    private final long generation;
    private final BufferSpec spec;
    /** Null unless the buffer is a slice. */
    private final @Nullable View view;
    /** Made when it is first requested. Two threads that do so at once make two equal segments. */
    private @Nullable MemorySegment segment;

    /** The part of a slice that other buffers do not have. */
    private static final class View {
        private final MlxBuffer parent;
        private volatile boolean closed;

        private View(MlxBuffer parent) {
            this.parent = parent;
        }
    }

    /**
     * Issues a lease of the first bytes of {@code block}, which is not leased.
     *
     * @param spec the request, checked
     */
    MlxBuffer(LeaseOrigin origin, Block block, BufferSpec spec) {
        // Issued last: if this constructor throws, the caller takes back a block without a lease.
        this(origin, block, spec, null, null, block.issue());
    }

    /**
     * Issues a lease of a part of {@code block}, which is not leased.
     *
     * @param segment exactly the bytes that were requested
     */
    MlxBuffer(LeaseOrigin origin, Block block, BufferSpec spec, MemorySegment segment) {
        this(origin, block, spec, segment, null, block.issue());
    }

    private MlxBuffer(
            LeaseOrigin origin,
            Block block,
            BufferSpec spec,
            @Nullable MemorySegment segment,
            @Nullable View view,
            long generation) {
        this.origin = origin;
        this.block = block;
        this.spec = spec;
        this.segment = segment;
        this.view = view;
        this.generation = generation;
    }

    /** The type of the elements. */
    public DType dtype() {
        return spec.dtype();
    }

    /** The dimensions, outermost first; empty for a scalar. A new copy with each call. */
    public long[] shape() {
        return spec.shape();
    }

    /** The product of the dimensions; 1 for a scalar, and 0 if a dimension is 0. */
    public long elementCount() {
        return spec.elementCount();
    }

    /**
     * The requested bytes, which are the length of {@link #segment}. The elements may take fewer. 0 only if a dimension
     * is 0: such an <em>empty</em> buffer has no bytes to read or write, but a handle, since GPU code may need one.
     */
    public long byteLength() {
        return spec.byteLength();
    }

    /**
     * Bytes of the memory behind this buffer. A pool rounds the requested bytes up. Wrapped memory has whole pages; a
     * mapping begins with the page of its offset. A slice has its own length. An empty buffer has the least native
     * buffer: 1 byte of a device, the smallest capacity of a pool.
     */
    public long capacity() {
        return view == null ? block.capacityFor(spec.memoryBytes()) : byteLength();
    }

    /**
     * The memory itself, without a copy: exactly {@link #byteLength} bytes. It starts on a page, except for slices,
     * mappings, and buffers of a pool that are smaller than a page or of a {@link Sizing#COMPACT} pool: those start at
     * a multiple of 256 bytes.
     *
     * @throws IllegalStateException if the lease has ended, or the buffer is {@linkplain MlxCommandBuffer#scratch
     *     scratch memory}, which is the GPU's
     */
    public MemorySegment segment() {
        requireActive();
        if (origin.isScratch()) {
            throw new IllegalStateException(this + " is scratch memory, which is the GPU's alone");
        }
        return activeSegment();
    }

    private MemorySegment activeSegment() {
        MemorySegment made = segment;
        if (made == null) {
            made = contents();
            // A range of a chunk may have moved if the lease ended meanwhile.
            requireActive();
        }
        return made;
    }

    /** The segment, whether the lease has ended or not. */
    private MemorySegment contents() {
        MemorySegment made = segment;
        if (made == null) {
            made = block.segment(origin.arena(), byteLength());
            segment = made;
        }
        return made;
    }

    /** Bytes from the start of the memory to the start of the segment. */
    private long offset() {
        return contents().address() - block.memory().segment().address();
    }

    /**
     * The {@code id<MTLBuffer>} for the caller's own Metal calls, which use it with {@link #handleOffset}; on
     * {@link Backend#HOST} an opaque pointer. The result is a segment of length 0 with the lifetime of
     * {@link #segment}. A native call that is passed it keeps the memory alive until the call returns, and no longer.
     *
     * @throws IllegalStateException if the lease has ended, or this is a mapping above the device's
     *     {@link DeviceInfo#maxBufferLength}, of which only slices have a handle
     * @throws BufferAllocationException if this is a slice of such a mapping and the device has no memory left for it
     * @throws java.io.UncheckedIOException if this is a slice of such a mapping, the device needs a copy of it, and the
     *     file can no longer be read
     */
    public MemorySegment handle() {
        BufferObject object = bufferObject();
        Arena arena = origin.arena();
        return arena == null ? object.segment() : object.segment(arena);
    }

    /**
     * Bytes from the start of the {@link #handle} to the start of this buffer. For an empty slice at the end of the
     * native buffer the result is 0, because Metal accepts no offset there.
     *
     * @throws IllegalStateException as {@link #handle}
     */
    public long handleOffset() {
        return offsetIn(bufferObject(), offset());
    }

    private static long offsetIn(BufferObject object, long offset) {
        long inObject = offset - object.start();
        return inObject == object.length() ? 0 : inObject;
    }

    /**
     * Records that commands use the memory, and keeps the lease reachable with them.
     *
     * @throws IllegalArgumentException if the buffer is of another device
     * @throws IllegalStateException if the lease has ended, the command buffer is committed or closed, or another
     *     thread is using it
     */
    void use(CommandEncoder commands, NativeDevice device) {
        requireActive();
        if (!block.isUsedBy(commands.use())) {
            if (!origin.isOf(device)) {
                throw new IllegalArgumentException(this + " is of another device than the command queue");
            }
            commands.enter();
            try {
                commands.requireOpen();
                commands.reserveKept();
                if (!block.use(generation, commands.use())) {
                    throw new IllegalStateException(this + " can no longer be used");
                }
                commands.keep(this);
            } finally {
                commands.exit();
            }
        }
    }

    /**
     * The buffer object of the handle, after {@link #use}: the block stays what it is until the commands are complete.
     */
    BufferObject objectInUse() {
        return block.memory().bufferObject(offsetInUse(), byteLength());
    }

    /** As {@link #handleOffset}, in an object of this buffer after {@link #use}. */
    long offsetInUse(BufferObject object) {
        return offsetIn(object, offsetInUse());
    }

    private long offsetInUse() {
        return segment == null ? block.offset() : offset();
    }

    /** Whether the memory is a read-only mapping. */
    boolean isReadOnly() {
        return activeSegment().isReadOnly();
    }

    /** The buffer object of the handle, with the same exceptions. */
    BufferObject bufferObject() {
        requireActive();
        return block.memory().bufferObject(offset(), byteLength());
    }

    /**
     * Whether the device works on a copy, because it could not share wrapped or mapped memory; virtual machines cannot.
     * Writes of the CPU to a wrapped buffer then reach the copy and not the caller's pages. For a mapping above the
     * device's {@link DeviceInfo#maxBufferLength} the answer is known once a slice was asked for its handle.
     */
    public boolean isCopy() {
        return block.memory().isCopy();
    }

    /**
     * A view of a part of this buffer, which shares its memory. The view ends when this buffer's lease ends. Closing
     * the view never ends that lease, and a pool refuses to release a view.
     *
     * @param byteOffset the start of the view in this buffer, from 0; for an empty view at most {@link #byteLength};
     *     kernels usually need a multiple of the element size, which is not checked
     * @param dtype the type of the view's elements, whatever this buffer's
     * @param shape the view's dimensions; they decide its length
     * @throws IllegalArgumentException if the view does not lie within {@link #byteLength}, or the shape is invalid
     * @throws IllegalStateException if the lease has ended
     */
    public MlxBuffer slice(long byteOffset, DType dtype, long... shape) {
        BufferSpec part = BufferSpec.of(dtype, shape);
        long length = part.byteLength();
        if (byteOffset < 0 || byteOffset > byteLength() || length > byteLength() - byteOffset) {
            throw new IllegalArgumentException("the slice " + part + " of " + length + " bytes at offset " + byteOffset
                    + " does not lie within " + byteLength() + " bytes");
        }
        requireActive();
        MemorySegment bytes = activeSegment().asSlice(byteOffset, length);
        return new MlxBuffer(origin, block, part, bytes, new View(this), generation);
    }

    /**
     * Labels the memory for Metal's debugger and captures, until the lease ends. Metal labels whole native buffers: a
     * slice, a buffer of a {@link Sizing#COMPACT} pool, or one that is smaller than a page labels all of its native
     * buffer.
     *
     * @throws IllegalArgumentException if the label contains a NUL character
     * @throws IllegalStateException as {@link #handle}
     */
    public void label(String label) {
        Shim.requireText(label);
        try {
            BufferObject object = bufferObject();
            block.setLabelled();
            object.label(label);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Whether the lease has ended or, for a slice, the slice was closed. */
    public boolean isReleased() {
        return (view != null && (view.closed || view.parent.isReleased())) || !block.isActive(generation);
    }

    /**
     * Ends the lease: the memory returns to where it came from. Memory that commands use, of a
     * {@link MlxCommandBuffer}, is parked until they are complete, whatever ends the lease. Closing again, or after the
     * lease ended in another way, does nothing. Closing a slice ends the slice alone.
     *
     * @throws IllegalStateException in a checked pool, if a native call is using the segment; the lease goes on
     * @throws WrongThreadException if the buffer belongs to a scope that is confined to another thread; if that thread
     *     ends without closing the scope, the memory is never freed
     */
    @Override
    public void close() {
        if (view != null) {
            view.closed = true;
        } else if (!isReleased()) {
            end(null);
        }
    }

    /**
     * Ends the lease; the memory is parked with the fence if there is one. False if the lease had ended before.
     *
     * @throws IllegalStateException as {@link #close}
     */
    boolean end(@Nullable MlxFence fence) {
        try {
            return origin.end(block, generation, fence);
        } finally {
            // The cleaner must not report the buffer as leaked while it is being released.
            Reference.reachabilityFence(this);
        }
    }

    boolean isSlice() {
        return view != null;
    }

    LeaseOrigin origin() {
        return origin;
    }

    Block block() {
        return block;
    }

    long generation() {
        return generation;
    }

    /** @throws IllegalStateException if the lease has ended, or the slice was closed */
    private void requireActive() {
        if (isReleased()) {
            throw new IllegalStateException(this + " can no longer be used");
        }
    }

    /** For a debugger: type, shape, size and state. */
    @Override
    public String toString() {
        return "MlxBuffer[" + spec + ", " + byteLength() + " bytes of " + capacity()
                + (isSlice() ? ", slice at " + offset() : "") + (isReleased() ? ", released]" : "]");
    }
}
