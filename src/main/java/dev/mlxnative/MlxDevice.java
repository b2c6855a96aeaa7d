package dev.mlxnative;

import dev.mlxnative.internal.compute.Capture;
import dev.mlxnative.internal.compute.CompiledLibrary;
import dev.mlxnative.internal.compute.SubmissionQueue;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.MappableFile;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.device.ResidencySet;
import dev.mlxnative.internal.device.Shapes;
import dev.mlxnative.internal.shim.NativeLibrary;
import dev.mlxnative.internal.shim.Shim;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The machine's GPU, or host memory that stands in for it. It makes buffers, events and residency sets, compiles
 * kernels and runs them.
 *
 * <p>The first device that a process opens loads the native library, which decides the backend of all later ones. A
 * closed device makes nothing new. What it made stays usable until it is closed in its turn; the native device is
 * released when the device and all that it made are closed.
 *
 * <p>Keep what a device made reachable as long as it is used: {@link LeakDetection} closes what is unreachable. A
 * buffer must be reachable itself, even if a segment uses its memory, and an event or a residency set even if native
 * code has its handle. Once native code has encoded GPU work with a handle, Metal keeps the object for that work,
 * unless the command buffer was made with unretained references.
 */
public final class MlxDevice implements AutoCloseable {
    private static final AtomicInteger LIBRARIES = new AtomicInteger();

    private static final String CAPTURE_PROPERTY = "mlx.capture";

    private final Backend backend;
    private final NativeDevice device;
    private final BufferSpec.Cache specs = new BufferSpec.Cache();
    private final DeviceLeaks leaks;
    /** Whether the GPU's work is recorded until the device is closed. */
    private boolean captures;

    private MlxDevice(LeakDetection leakDetection, Backend backend, NativeDevice device) {
        this.backend = backend;
        this.device = device;
        this.leaks = new DeviceLeaks(leakDetection);
    }

    /**
     * Opens the default device: Metal's where there is one, else the host's. The system property {@code mlx.backend},
     * {@code metal} or {@code host}, decides otherwise, and {@code mlx.shim.path} names the native library to use. If
     * {@code mlx.capture} names a file, the work of Metal's GPU is recorded to it for Xcode until the device is closed.
     *
     * @throws NativeLibraryException if the native library cannot be loaded
     * @throws DeviceNotFoundException if there is no such device
     * @throws IllegalArgumentException if the system property {@code mlx.leakDetection} names no {@link LeakDetection}
     */
    public static MlxDevice open() {
        return openWanted(null);
    }

    /**
     * Opens the default device of a backend, whatever the system property {@code mlx.backend} says. A library that
     * {@code mlx.shim.path} names must be of this backend.
     *
     * @throws NativeLibraryException if the native library cannot be loaded
     * @throws DeviceNotFoundException if there is no such device on this machine, or this process has loaded the
     *     library of the other backend
     * @throws IllegalArgumentException if the system property {@code mlx.leakDetection} names no {@link LeakDetection}
     */
    public static MlxDevice open(Backend backend) {
        return openWanted(Objects.requireNonNull(backend, "backend"));
    }

    private static MlxDevice openWanted(@Nullable Backend wanted) {
        // Before the device, which would be lost if this throws.
        LeakDetection leakDetection = LeakDetection.configured();
        Backend backend = NativeLibrary.load(wanted);
        NativeDevice device = NativeDevice.open();
        boolean opened = false;
        try {
            String capture = System.getProperty(CAPTURE_PROPERTY);
            MlxDevice made = new MlxDevice(leakDetection, backend, device);
            made.captures = capture != null && Capture.start(device, capture);
            opened = true;
            return made;
        } finally {
            if (!opened) {
                device.handle().close();
            }
        }
    }

    /** The kind of memory and GPU behind the device. */
    public Backend backend() {
        return backend;
    }

    /** The device's properties; readable after it is closed. */
    public DeviceInfo info() {
        return device.info();
    }

    /**
     * Bytes of all buffers that this process has on the device. The driver decides whether wrapped and mapped pages
     * count, and how soon freed memory no longer does; on {@link Backend#HOST} such pages never count, and freed memory
     * stops counting at once.
     *
     * @throws IllegalStateException if the device and all that it made are closed
     */
    public long allocatedBytes() {
        return device.handle().use(Shim::allocatedBytes);
    }

    /**
     * The {@code id<MTLDevice>} for the caller's own Metal calls; on {@link Backend#HOST} an opaque pointer. Valid
     * until the device is closed.
     *
     * @throws IllegalStateException if the device is closed
     */
    public MemorySegment handle() {
        device.requireOpen();
        return device.handle().handle();
    }

    /**
     * Allocates a native buffer of exactly {@code byteLength} bytes, all zero, for the caller to close. Allocation
     * calls the driver, and closing stops every thread of the JVM for a moment: tens of microseconds together. A
     * {@link MlxBufferPool} avoids both.
     *
     * @param byteLength from 1 to the device's {@link DeviceInfo#maxBufferLength}; 0 too, if a dimension is 0
     * @param shape the dimensions, whose elements must fit {@code byteLength}; none for a scalar
     * @throws IllegalArgumentException if the length or the shape is invalid
     * @throws BufferAllocationException if the device has no memory left
     * @throws IllegalStateException if the device is closed
     */
    public MlxBuffer allocBuffer(long byteLength, DType dtype, long... shape) {
        BufferSpec spec = spec(byteLength, dtype, shape);
        return lease(spec, all -> all.asSlice(0, byteLength), () -> device.allocate(spec.memoryBytes()));
    }

    /** As {@link #allocBuffer(long, DType, long...)}, with exactly the bytes that the shape takes. */
    public MlxBuffer allocBuffer(DType dtype, long... shape) {
        return allocBuffer(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * Makes a buffer of existing memory, without a copy. The pages stay the caller's: closing the buffer does not free
     * them, and {@link MlxBuffer#segment} is a slice of {@code pages}, with its scope and its confinement to a thread.
     * They must stay mapped as long as the GPU uses the buffer.
     *
     * @param pages whole pages of native memory: an address and a length that are multiples of the machine's page size,
     *     16,384 bytes on Apple silicon. No pages are enough for an empty shape
     * @param shape the dimensions, whose elements must fit the pages; they decide {@link MlxBuffer#byteLength}
     * @throws IllegalArgumentException if the segment is on the heap, not of whole pages, above the device's
     *     {@link DeviceInfo#maxBufferLength} or too short for the shape
     * @throws IllegalStateException if the device is closed, or the segment's scope has ended
     * @throws BufferAllocationException if the device has no memory left, for a copy above all
     * @throws WrongThreadException if the pages have to be copied and are confined to another thread
     * @throws InternalError if the pages have to be copied and are a mapping of a file that has been truncated
     */
    public MlxBuffer wrap(MemorySegment pages, DType dtype, long... shape) {
        BufferSpec spec = BufferSpec.of(dtype, shape);
        if (!pages.isNative()) {
            throw new IllegalArgumentException("only native memory has pages to wrap, but the segment is on the heap");
        }
        long pageSize = device.traits().pageSize();
        if (pages.address() % pageSize != 0 || pages.byteSize() % pageSize != 0) {
            throw new IllegalArgumentException(pages.byteSize() + " bytes at 0x" + Long.toHexString(pages.address())
                    + " are not whole pages of " + pageSize + " bytes");
        }
        if (spec.byteLength() > pages.byteSize()) {
            throw new IllegalArgumentException(
                    spec + " takes " + spec.byteLength() + " bytes, but there are " + pages.byteSize());
        }
        if (!pages.scope().isAlive()) {
            throw new IllegalStateException("the scope of the segment to wrap has ended");
        }
        if (pages.byteSize() == 0) {
            return lease(spec, least -> least.asSlice(0, 0), () -> device.allocate(spec.memoryBytes()));
        }
        device.requireAllocatable(pages.byteSize());
        return lease(spec, all -> all.asSlice(0, spec.byteLength()), () -> device.wrap(pages));
    }

    /**
     * Maps a part of a file, read-only and without a copy: weights. A page is read when it is first touched. The file
     * may be deleted or replaced meanwhile.
     *
     * <p><strong>A file that is mapped must not be truncated,</strong> by this process or another. Its pages beyond the
     * new end are gone, and the effect of an access depends on the code that makes it:
     *
     * <ul>
     *   <li>Java code that reads the segment, or a byte buffer of it, gets an {@link InternalError}: element by element
     *       and by bulk methods such as {@link MemorySegment#copyFrom}.
     *   <li>Native code ends the process with {@code SIGBUS}: calls that are passed the segment, and the JDK's own
     *       native code and intrinsics, such as those of {@link java.util.zip.CRC32}, {@link java.util.zip.CRC32C},
     *       {@link java.util.zip.Adler32} and {@link java.util.zip.Deflater}.
     *   <li>The effect on work of the GPU is unspecified.
     * </ul>
     *
     * <p>The library itself reads no mapping: it makes copies by reading the file. Replace a file by renaming a new one
     * to its name, which leaves the mapped one as it is. Where other programs may truncate a file, read it into
     * {@link #allocBuffer} instead.
     *
     * <p>Open buffers of one device that map the same file share one mapping of all of it, so that any number of
     * tensors takes one of the process's memory mappings. It takes address space of the file's size, and no memory. A
     * file that has changed since, by its size or its time of modification, is mapped anew. On Linux, where a process
     * can have {@code vm.max_map_count} mappings and the JVM ends without them, a sixteenth is left to the JVM.
     *
     * <p>The buffer's memory begins with the page that contains the offset, hence {@link MlxBuffer#handleOffset}. It
     * may be larger than the device's {@link DeviceInfo#maxBufferLength}. Then its slices have handles, each of a
     * native buffer that covers the slice, and the buffer as a whole has none.
     *
     * @param offset where the elements start in the file, in bytes; any offset is allowed. From one that is no multiple
     *     of the element size, Java reads with the unaligned layouts,
     *     {@link java.lang.foreign.ValueLayout#JAVA_FLOAT_UNALIGNED} and its like
     * @param shape the dimensions; they decide {@link MlxBuffer#byteLength}. For an empty one, the file is not opened
     * @throws IllegalArgumentException if the elements do not lie within the file, or the shape is invalid
     * @throws IOException if the file does not exist, is not a regular file, or is in a file system that maps no files;
     *     if it cannot be opened, mapped or, for a copy, read; if the process has too few memory mappings left; or if
     *     the thread is interrupted
     * @throws BufferAllocationException if the device has no memory left, for a copy above all
     * @throws IllegalStateException if the device is closed
     */
    public MlxBuffer map(Path file, long offset, DType dtype, long... shape) throws IOException {
        BufferSpec spec = BufferSpec.of(dtype, shape);
        long length = spec.byteLength();
        MappableFile mappable = MappableFile.of(file);
        long size = mappable.size();
        if (offset < 0 || offset > size || length > size - offset) {
            throw new IllegalArgumentException(spec + " of " + length + " bytes at offset " + offset
                    + " does not lie within the " + size + " bytes of " + file);
        }
        if (length == 0) {
            return lease(spec, least -> least.asSlice(0, 0).asReadOnly(), () -> device.allocate(spec.memoryBytes()));
        }
        long pageSize = device.traits().pageSize();
        long start = offset / pageSize * pageSize;
        long beforeIt = offset - start;
        return lease(spec, all -> all.asSlice(beforeIt, length), () -> device.map(mappable, start, beforeIt + length));
    }

    /**
     * Creates an event whose value is 0, for the caller to close.
     *
     * @throws IllegalStateException if the device is closed
     */
    public MlxSharedEvent newSharedEvent() {
        RefCountedHandle handle = device.handle();
        handle.requireOpen();
        return handle.use(opened -> Shim.createEvent(opened, event -> new MlxSharedEvent(event, leaks)));
    }

    /**
     * Creates an empty residency set, for the caller to close; one that does nothing where the system has none.
     *
     * @param label the name in Metal's debugger and captures
     * @throws IllegalArgumentException if the label contains a NUL character
     * @throws IllegalStateException if there are 32 sets in this process, the most that a command queue takes, or the
     *     device is closed
     */
    public MlxResidencySet newResidencySet(String label) {
        return new MlxResidencySet(ResidencySet.create(device, label), label, leaks);
    }

    /** As {@link #compile(String, MlxCompileOptions)}, with {@link MlxCompileOptions#of}. */
    public MlxLibrary compile(String source) {
        return compile(source, MlxCompileOptions.of());
    }

    /**
     * Compiles kernels in the Metal Shading Language, for the caller to close. Takes tens of milliseconds or more. On
     * {@link Backend#HOST} a compiler is needed, clang, which the system property {@code mlx.clang} names.
     *
     * @throws CompilationException if the compiler refuses the source; the message is its whole log
     * @throws IllegalArgumentException if the source contains a NUL character
     * @throws MlxException if there is no compiler, and then the message says what to install; or if the device has no
     *     memory left
     * @throws IllegalStateException if the device is closed
     */
    public MlxLibrary compile(String source, MlxCompileOptions options) {
        if (source.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("the source contains NUL at index " + source.indexOf('\0'));
        }
        CompiledLibrary library = CompiledLibrary.compile(
                device,
                "library-" + LIBRARIES.incrementAndGet(),
                source,
                options.macroLines(),
                options.languageVersion(),
                options.isFastMath());
        return new MlxLibrary(library, leaks);
    }

    /**
     * Loads kernels that Apple's tools have compiled, a {@code .metallib} file, for the caller to close.
     *
     * @throws UnsupportedOperationException on every backend but {@link Backend#METAL}
     * @throws IllegalArgumentException if Metal cannot load the file
     * @throws IllegalStateException if the device is closed
     */
    public MlxLibrary loadLibrary(Path metallib) {
        return new MlxLibrary(
                CompiledLibrary.load(device, metallib.toAbsolutePath().toString()), leaks);
    }

    /**
     * Creates a queue of command buffers, for the caller to close. It makes a pool of its own for scratch memory when
     * that is first requested.
     *
     * @throws IllegalStateException if the device is closed
     */
    public MlxCommandQueue newCommandQueue() {
        return newQueue(ScratchPool.madeBy(() -> MlxBufferPool.builder(this)
                .leakDetection(LeakDetection.OFF)
                .build()
                .engine()));
    }

    /**
     * As {@link #newCommandQueue()}, with a pool for scratch memory, which must stay open as long as the queue is used.
     *
     * @throws IllegalArgumentException if the pool is of another device
     */
    public MlxCommandQueue newCommandQueue(MlxBufferPool scratch) {
        if (!scratch.engine().isOf(device)) {
            throw new IllegalArgumentException(scratch + " is of another device than the queue");
        }
        return newQueue(ScratchPool.of(scratch.engine()));
    }

    private MlxCommandQueue newQueue(ScratchPool scratch) {
        return new MlxCommandQueue(device, SubmissionQueue.create(device), scratch, leaks);
    }

    /** Stops the device from making anything new. Closing it again does nothing. */
    @Override
    public void close() {
        if (device.handle().close() && captures) {
            Capture.stop();
        }
    }

    /**
     * Issues a lease of new memory of the device itself, which is freed if that fails.
     *
     * @param part the segment of the lease in the segment of all of the memory
     */
    private <E extends Exception> MlxBuffer lease(
            BufferSpec spec, UnaryOperator<MemorySegment> part, DirectLease.Creation<E> creation) throws E {
        return DirectLease.issue(device, leaks, spec, part, creation);
    }

    NativeDevice nativeDevice() {
        return device;
    }

    /**
     * The request for a buffer of this device.
     *
     * @throws IllegalArgumentException if no buffer of the device can have this length, or the shape does not fit it;
     *     an empty shape fits 0 bytes
     */
    BufferSpec spec(long byteLength, DType dtype, long... shape) {
        BufferSpec known = specs.find(byteLength, dtype, shape);
        if (known != null) {
            return known;
        }
        // The copy is made here, so that the JIT compiler can leave out the varargs array of a request that is known.
        return newSpec(byteLength, dtype, shape.clone());
    }

    private BufferSpec newSpec(long byteLength, DType dtype, long[] dimensions) {
        if (byteLength != 0 || Shapes.elementCount(dimensions) > 0) {
            device.requireAllocatable(byteLength);
        }
        BufferSpec spec = BufferSpec.of(byteLength, dtype, dimensions);
        specs.add(spec);
        return spec;
    }

    /** For a debugger: backend, name and state. */
    @Override
    public String toString() {
        return "MlxDevice[" + backend + ", " + info().name() + (device.handle().isClosed() ? ", closed]" : "]");
    }
}
