package dev.mlxnative;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The machine's GPU, or host memory that stands in for it: where buffers come from.
 *
 * <p>The first device that a process opens loads the native library, and with it the backend of every later one.
 * Closing a device stops it from making anything new. What it made stays usable until it is closed in its turn; the
 * last of these, or the device itself, gives the native device back.
 */
public final class MlxDevice implements AutoCloseable {
    private final Backend backend;
    private final SharedHandle handle;
    private final DeviceInfo info;
    private final long pageSize;
    private final Layout.Recent recentLayouts = new Layout.Recent();
    private final DirectOwner directOwner = new DirectOwner();

    private MlxDevice(Backend backend, MemorySegment handle) {
        this.backend = backend;
        this.handle = new SharedHandle("device", handle, Shim::releaseDevice);
        this.info = Shim.deviceInfo(handle);
        this.pageSize = Shim.pageSize();
    }

    /**
     * Opens the default device: Metal's where there is one, else the host's. The system property {@code mlx.backend},
     * {@code metal} or {@code host}, decides otherwise, and {@code mlx.shim.path} names the native library to use.
     *
     * @throws NativeLibraryException if the native library cannot be loaded
     * @throws DeviceNotFoundException if there is no such device
     */
    public static MlxDevice open() {
        return open(NativeLibrary.load(null));
    }

    /**
     * Opens the default device of a backend, whatever the system property {@code mlx.backend} says; a library that
     * {@code mlx.shim.path} names must be of this backend.
     *
     * @throws NativeLibraryException if the native library cannot be loaded
     * @throws DeviceNotFoundException if there is no such device on this machine, or this process has loaded the
     *     library of the other backend
     */
    public static MlxDevice open(Backend backend) {
        NativeLibrary.load(Objects.requireNonNull(backend, "backend"));
        return new MlxDevice(backend, Shim.openDevice());
    }

    /** What the device is made of. */
    public Backend backend() {
        return backend;
    }

    /** The device's properties; readable after it is closed. */
    public DeviceInfo info() {
        return info;
    }

    /**
     * Bytes of every buffer on the device that this process holds, whoever made it. Whether pages that were wrapped or
     * mapped count is the driver's choice, and so is how soon memory that was given back counts no more; on
     * {@link Backend#HOST} they never do, and at once.
     *
     * @throws IllegalStateException if the device is closed and nothing of it is left
     */
    public long allocatedBytes() {
        return handle.use(Shim::allocatedBytes);
    }

    /**
     * The {@code id<MTLDevice>} for the caller's own Metal calls; on {@link Backend#HOST} an opaque pointer. Valid
     * until the device is closed.
     *
     * @throws IllegalStateException if the device is closed
     */
    public MemorySegment handle() {
        handle.requireOpen();
        return handle.handle();
    }

    /**
     * Allocates a native buffer of exactly {@code byteLength} bytes, all zero, for the caller to close. Allocating asks
     * the driver and closing stops every thread of the JVM for a moment, tens of microseconds together: that is what a
     * {@link MlxBufferPool} is for.
     *
     * @param byteLength from 1 to the device's {@link DeviceInfo#maxBufferLength}
     * @param shape the dimensions, whose elements must fit {@code byteLength}; none for a scalar
     * @throws IllegalArgumentException if the length or the shape is wrong
     * @throws BufferAllocationException if the device has no memory left
     * @throws IllegalStateException if the device is closed
     */
    public MlxBuffer allocBuffer(long byteLength, DType dtype, long... shape) {
        Layout layout = layout(byteLength, dtype, shape);
        return lease(allocate(byteLength), 0, layout);
    }

    /** As {@link #allocBuffer(long, DType, long...)}, with just the bytes that the shape takes. */
    public MlxBuffer allocBuffer(DType dtype, long... shape) {
        return allocBuffer(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * Makes a buffer of memory that exists, without a copy. The pages stay the caller's: closing the buffer leaves them
     * as they are, and {@link MlxBuffer#segment} is a slice of {@code pages}, with its scope and its confinement to a
     * thread. They must stay mapped for as long as the GPU uses the buffer.
     *
     * @param pages whole pages of native memory: an address and a length that are multiples of the machine's page size,
     *     16,384 bytes on Apple silicon
     * @param shape the dimensions, whose elements must fit the pages; they decide {@link MlxBuffer#byteLength}
     * @throws IllegalArgumentException if the segment is on the heap, not of whole pages, above the device's
     *     {@link DeviceInfo#maxBufferLength} or too short for the shape
     * @throws IllegalStateException if the device is closed, or the segment's scope has ended
     * @throws BufferAllocationException if the device has no memory left, for a copy above all
     * @throws WrongThreadException if the pages have to be copied and are confined to another thread
     */
    public MlxBuffer wrap(MemorySegment pages, DType dtype, long... shape) {
        Layout layout = Layout.of(dtype, shape);
        if (!pages.isNative()) {
            throw new IllegalArgumentException("only native memory has pages to wrap, but the segment is on the heap");
        }
        if (pages.address() % pageSize != 0 || pages.byteSize() % pageSize != 0) {
            throw new IllegalArgumentException(pages.byteSize() + " bytes at 0x" + Long.toHexString(pages.address())
                    + " are not whole pages of " + pageSize + " bytes");
        }
        if (layout.byteLength() > pages.byteSize()) {
            throw new IllegalArgumentException(
                    layout + " takes " + layout.byteLength() + " bytes, but there are " + pages.byteSize());
        }
        requireAllocatable(pages.byteSize());
        if (!pages.scope().isAlive()) {
            throw new IllegalStateException("the scope of the segment to wrap has ended");
        }
        return lease(make(device -> wrapOrCopy(device, pages)), 0, layout);
    }

    private static NativeBuffer wrapOrCopy(SharedHandle device, MemorySegment pages) {
        try {
            return NativeBuffer.wrap(device, pages);
        } catch (UnsupportedOperationException e) {
            NativeHandles.warnOfCopy(pages.byteSize());
            return NativeBuffer.copyOf(device, pages);
        }
    }

    /**
     * Maps a part of a file, read-only and without a copy: weights. A page is read when it is first touched. The file
     * may be deleted meanwhile; one that is truncated makes accesses beyond its new end throw {@link InternalError}.
     *
     * <p>The mapping begins with the page that has the offset, hence {@link MlxBuffer#handleOffset}. It may be larger
     * than the device's {@link DeviceInfo#maxBufferLength}: then its slices have handles, each of a native buffer that
     * covers it, and the buffer as a whole has none.
     *
     * @param offset where the elements start in the file, in bytes, anywhere; from one that is no multiple of the
     *     element size Java reads with the unaligned layouts,
     *     {@link java.lang.foreign.ValueLayout#JAVA_FLOAT_UNALIGNED} and its like
     * @param shape the dimensions; they decide {@link MlxBuffer#byteLength}
     * @throws IllegalArgumentException if the elements do not lie within the file, or the shape is wrong
     * @throws IOException if the file cannot be read
     * @throws BufferAllocationException if the device has no memory left, for a copy above all
     * @throws IllegalStateException if the device is closed
     */
    public MlxBuffer map(Path file, long offset, DType dtype, long... shape) throws IOException {
        Layout layout = Layout.of(dtype, shape);
        long length = layout.byteLength();
        if (Files.isDirectory(file)) {
            throw new IOException(file + " is a directory");
        }
        Arena pages = Arena.ofShared();
        NativeBuffer memory = null;
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (offset < 0 || offset > size || length > size - offset) {
                throw new IllegalArgumentException(layout + " of " + length + " bytes at offset " + offset
                        + " does not lie within the " + size + " bytes of " + file);
            }
            long start = offset / pageSize * pageSize;
            MemorySegment mapping = channel.map(FileChannel.MapMode.READ_ONLY, start, offset - start + length, pages);
            memory = make(device -> NativeBuffer.map(device, info, pages, mapping));
            return lease(memory, offset - start, layout);
        } finally {
            if (memory == null) {
                pages.close();
            }
        }
    }

    /**
     * Creates an event whose value is 0, for the caller to close.
     *
     * @throws IllegalStateException if the device is closed
     */
    public MlxSharedEvent newSharedEvent() {
        handle.requireOpen();
        return handle.use(device -> new MlxSharedEvent(Shim.createEvent(device)));
    }

    /**
     * Creates an empty residency set, for the caller to close; one that does nothing where the system has none.
     *
     * @param label what Metal's debugger and captures call it
     * @throws IllegalStateException if there are 32 sets in this process, the most that a command queue takes, or the
     *     device is closed
     */
    public MlxResidencySet newResidencySet(String label) {
        requireText(label);
        handle.requireOpen();
        return handle.use(device -> MlxResidencySet.create(device, label));
    }

    /** Checks a label: C takes text up to its first NUL. */
    static void requireText(String label) {
        if (label.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a label cannot contain NUL, but '" + label + "' does at index " + label.indexOf('\0'));
        }
    }

    /** Stops the device from making anything new. Closing it again does nothing. */
    @Override
    public void close() {
        handle.close();
    }

    /** Issues memory that the device itself owns, and frees it if that fails. */
    private MlxBuffer lease(NativeBuffer memory, long offset, Layout layout) {
        try {
            MemorySegment segment = memory.segment().asSlice(offset, layout.byteLength());
            return new MlxBuffer(directOwner, Block.whole(memory), layout, segment);
        } catch (Throwable e) {
            free(memory);
            throw e;
        }
    }

    /** Memory of exactly {@code capacity} bytes, checked by the caller, which then owns it. */
    NativeBuffer allocate(long capacity) {
        return make(device -> NativeBuffer.create(device, capacity));
    }

    @FunctionalInterface
    private interface Maker {
        NativeBuffer make(SharedHandle device);
    }

    private NativeBuffer make(Maker maker) {
        requireOpen();
        handle.acquire();
        NativeBuffer made = null;
        try {
            made = maker.make(handle);
            return made;
        } finally {
            if (made == null) {
                handle.release();
            }
        }
    }

    private static void free(NativeBuffer memory) {
        free(memory, () -> {});
    }

    /** Gives memory back, at once or as soon as no native call uses it any more, and says when it is gone. */
    static void free(NativeBuffer memory, Runnable gone) {
        if (memory.tryFree()) {
            gone.run();
        } else {
            Background.retry("mlx-free", () -> {
                boolean freed = memory.tryFree();
                if (freed) {
                    gone.run();
                }
                return freed;
            });
        }
    }

    /** @throws IllegalStateException if the device is closed */
    void requireOpen() {
        handle.requireOpen();
    }

    /** As {@link #allocatedBytes}, but 0 when nothing is left of the device. */
    long allocatedBytesIfAny() {
        if (!handle.tryAcquire()) {
            return 0;
        }
        try {
            return Shim.allocatedBytes(handle.handle());
        } finally {
            handle.release();
        }
    }

    /**
     * What a request asks for.
     *
     * @throws IllegalArgumentException if no buffer of the device can have this length, or the shape does not fit it
     */
    Layout layout(long byteLength, DType dtype, long... shape) {
        Layout known = recentLayouts.find(byteLength, dtype, shape);
        if (known != null) {
            return known;
        }
        // The copy is made here, so that an array that the JIT compiler need not make for the call stays unmade.
        return newLayout(byteLength, dtype, shape.clone());
    }

    private Layout newLayout(long byteLength, DType dtype, long[] dimensions) {
        requireAllocatable(byteLength);
        Layout layout = Layout.of(byteLength, dtype, dimensions);
        recentLayouts.add(layout);
        return layout;
    }

    /** @throws IllegalArgumentException if no buffer of the device can have this length */
    void requireAllocatable(long byteLength) {
        if (byteLength < 1 || byteLength > info.maxBufferLength()) {
            throw new IllegalArgumentException(
                    "a buffer has from 1 to " + info.maxBufferLength() + " bytes on this device, not " + byteLength);
        }
    }

    long pageSize() {
        return pageSize;
    }

    /** Buffers of the device itself: a lease's end frees the memory. */
    private static final class DirectOwner implements BufferOwner {
        @Override
        public @Nullable MlxBufferPool pool() {
            return null;
        }

        @Override
        public @Nullable Arena arena() {
            return null;
        }

        @Override
        public @Nullable Arena leaseArena() {
            return null;
        }

        @Override
        public boolean end(MlxBuffer buffer, @Nullable MlxFence fence) {
            boolean ended = buffer.block().end(buffer.lease());
            if (ended) {
                free(buffer.block().memory());
            }
            return ended;
        }
    }

    /** For people: backend, name and state. */
    @Override
    public String toString() {
        return "MlxDevice[" + backend + ", " + info.name() + (handle.isClosed() ? ", closed]" : "]");
    }
}
