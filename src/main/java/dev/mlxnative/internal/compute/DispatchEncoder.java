package dev.mlxnative.internal.compute;

import dev.mlxnative.KernelArgument;
import dev.mlxnative.internal.shim.CommandLayout;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Encodes the dispatches of one thread to a command buffer. The bindings are kept apart until the dispatch adds them to
 * the stream. Checks all that Metal does not, and allocates nothing once its arrays are large enough.
 */
public final class DispatchEncoder {
    private static final int HEAD_WORDS = 10;
    private static final int BUFFER_WORDS = 3;
    private static final int THREADGROUP_WORDS = 2;
    private static final int BYTES_HEAD_WORDS = 2;
    /** Room for 31 buffers. */
    private static final int INITIAL_WORDS = 96;

    private static final long MEMORY_UNIT = 16;
    /** Positions in a grid are 32 bits wide. */
    private static final long MAX_THREADS = 0xFFFF_FFFFL;

    /** Threads of a threadgroup that the caller leaves to the library. */
    private static final int CHOSEN_THREADS = 256;

    private final CommandEncoder commands;
    private final Thread owner = Thread.currentThread();
    private final CommandWords words = new CommandWords(INITIAL_WORDS);
    private @Nullable Pipeline pipeline;
    private int bindings;
    private int boundBuffers;
    private int boundThreadgroups;
    private final long[] threadgroupBytes = new long[CommandLayout.ARGUMENTS];

    /** An encoder for the thread that makes it. */
    public DispatchEncoder(CommandEncoder commands) {
        this.commands = commands;
    }

    /** Whether this thread is the one that the encoder is for. */
    public boolean isOfThisThread() {
        return owner == Thread.currentThread();
    }

    /**
     * Begins a dispatch, in place of one that was begun.
     *
     * @throws IllegalStateException if the kernel is destroyed, the command buffer is committed or abandoned, or
     *     another thread is using it
     */
    public void begin(Pipeline kernel) {
        commands.use(kernel);
        pipeline = null;
        words.clear();
        bindings = 0;
        boundBuffers = 0;
        boundThreadgroups = 0;
        pipeline = kernel;
    }

    /** Whether a dispatch was begun and has a buffer. */
    public boolean hasBuffers() {
        return pipeline != null && boundBuffers != 0;
    }

    private Pipeline pipeline() {
        if (!isOfThisThread()) {
            throw new IllegalStateException("the kernel call is of the " + owner + ": begin another with kernel(...)");
        }
        commands.requireOpen();
        Pipeline kernel = pipeline;
        if (kernel == null) {
            throw new IllegalStateException("the kernel call has ended: begin another with kernel(...)");
        }
        return kernel;
    }

    /**
     * The argument that a buffer is bound to.
     *
     * @throws IllegalArgumentException if the kernel has none of the index
     * @throws IllegalStateException if no dispatch was begun
     */
    public KernelArgument requireBuffer(int index) {
        return pipeline().buffer(index);
    }

    /**
     * Binds a buffer.
     *
     * @param available bytes from the offset to the end of the buffer; 0 for an empty buffer
     * @throws IllegalArgumentException if they are too few
     */
    public void bindBuffer(KernelArgument argument, long address, long offset, long available) {
        boolean isEmptyPointer = available == 0 && argument.kind() == KernelArgument.Kind.BUFFER;
        if (available < argument.byteSize() && !isEmptyPointer) {
            throw tooShort(argument, "the buffer has " + available + " bytes from its offset on");
        }
        long[] to = words.reserve(BUFFER_WORDS);
        int at = words.length();
        to[at] = CommandWords.pair(CommandLayout.BIND_BUFFER, argument.index());
        to[at + 1] = address;
        to[at + 2] = offset;
        boundBuffer(argument.index(), BUFFER_WORDS);
    }

    private void boundBuffer(int index, int length) {
        words.add(length);
        boundBuffers |= 1 << index;
        bindings++;
    }

    private IllegalArgumentException tooShort(KernelArgument argument, String has) {
        return new IllegalArgumentException(
                pipeline().describeOf(argument) + " needs " + argument.byteSize() + " bytes, but " + has);
    }

    /** Binds a constant of at most 8 bytes, which are the first of {@code bits}. */
    public void bindConstant(int index, long bits, int bytes) {
        KernelArgument argument = requireBuffer(index);
        if (argument.byteSize() > bytes) {
            throw tooShort(argument, "the constant has " + bytes);
        }
        long[] to = words.reserve(BYTES_HEAD_WORDS + 1);
        int at = words.length();
        to[at] = CommandWords.pair(CommandLayout.BIND_BYTES, index);
        to[at + 1] = bytes;
        to[at + 2] = bits;
        boundBuffer(index, BYTES_HEAD_WORDS + 1);
    }

    /** Binds the bytes of a segment, which are copied. */
    public void bindConstant(int index, MemorySegment bytes) {
        KernelArgument argument = requireBuffer(index);
        long length = bytes.byteSize();
        if (length < 1 || length > CommandLayout.MAX_CONSTANT_BYTES) {
            throw new IllegalArgumentException(pipeline().describeOf(argument) + " takes a constant of 1 to "
                    + CommandLayout.MAX_CONSTANT_BYTES + " bytes, not " + length + ": bind a buffer");
        }
        if (length < argument.byteSize()) {
            throw tooShort(argument, "the constant has " + length);
        }
        int added = BYTES_HEAD_WORDS + CommandWords.wordsOf(length);
        long[] to = words.reserve(added);
        int at = words.length();
        to[at] = CommandWords.pair(CommandLayout.BIND_BYTES, index);
        to[at + 1] = length;
        CommandWords.copy(bytes, to, at + BYTES_HEAD_WORDS);
        boundBuffer(index, added);
    }

    /** Sets the length of threadgroup memory, which is rounded up to a multiple of 16 bytes. */
    public void bindThreadgroupMemory(int index, long bytes) {
        Pipeline kernel = pipeline();
        KernelArgument argument = kernel.threadgroup(index);
        long most = kernel.limits().maxThreadgroupMemory();
        if (bytes < 0 || bytes > most) {
            throw new IllegalArgumentException(
                    kernel.describeOf(argument) + " has from 0 to " + most + " bytes on this device, not " + bytes);
        }
        long rounded = (bytes + MEMORY_UNIT - 1) / MEMORY_UNIT * MEMORY_UNIT;
        long[] to = words.reserve(THREADGROUP_WORDS);
        int at = words.length();
        to[at] = CommandWords.pair(CommandLayout.BIND_THREADGROUP, index);
        to[at + 1] = rounded;
        words.add(THREADGROUP_WORDS);
        threadgroupBytes[index] = rounded;
        boundThreadgroups |= 1 << index;
        bindings++;
    }

    /** Dispatches a grid of threads, in threadgroups of a size that the library chooses. */
    public void dispatchThreads(long width, long height, long depth) {
        Pipeline kernel = pipeline();
        requireSize("a grid of threads", width, height, depth);
        DeviceLimits limits = kernel.limits();
        int left = (int) Math.min(kernel.maxTotalThreads(), CHOSEN_THREADS);
        int groupWidth = atMost(left, width, limits.maxWidth());
        left /= groupWidth;
        int groupHeight = atMost(left, height, limits.maxHeight());
        left /= groupHeight;
        int groupDepth = atMost(left, depth, limits.maxDepth());
        dispatchThreads(width, height, depth, groupWidth, groupHeight, groupDepth);
    }

    private static int atMost(int left, long size, long limit) {
        return (int) Math.min(left, Math.min(size, limit));
    }

    /** Dispatches a grid of threads; threadgroups at its edges have fewer. */
    public void dispatchThreads(
            long width, long height, long depth, long groupWidth, long groupHeight, long groupDepth) {
        Pipeline kernel = pipeline();
        requireReady(kernel, groupWidth, groupHeight, groupDepth);
        requireSize("a grid of threads", width, height, depth);
        requireCount(width, height, depth);
        dispatch(kernel, CommandLayout.GRID_OF_THREADS, width, height, depth, groupWidth, groupHeight, groupDepth);
    }

    /** Dispatches a grid of whole threadgroups. */
    public void dispatchThreadgroups(
            long width, long height, long depth, long groupWidth, long groupHeight, long groupDepth) {
        Pipeline kernel = pipeline();
        requireReady(kernel, groupWidth, groupHeight, groupDepth);
        requireSize("a grid of threadgroups", width, height, depth);
        long threadsWide = width * groupWidth;
        long threadsHigh = height * groupHeight;
        long threadsDeep = depth * groupDepth;
        if (threadsWide > MAX_THREADS || threadsHigh > MAX_THREADS || threadsDeep > MAX_THREADS) {
            throw new IllegalArgumentException("a grid has at most " + MAX_THREADS + " threads in each dimension, but "
                    + size(width, height, depth) + " threadgroups of " + size(groupWidth, groupHeight, groupDepth)
                    + " threads have more");
        }
        requireCount(threadsWide, threadsHigh, threadsDeep);
        dispatch(kernel, CommandLayout.GRID_OF_THREADGROUPS, width, height, depth, groupWidth, groupHeight, groupDepth);
    }

    private static String size(long width, long height, long depth) {
        return width + " x " + height + " x " + depth;
    }

    private static void requireSize(String what, long width, long height, long depth) {
        boolean isPositive = width >= 1 && height >= 1 && depth >= 1;
        if (!isPositive || width > MAX_THREADS || height > MAX_THREADS || depth > MAX_THREADS) {
            throw new IllegalArgumentException(
                    what + " is from 1 to " + MAX_THREADS + " in each dimension, not " + size(width, height, depth));
        }
    }

    /** Requires that the threads can be counted with 64 bits. Each number is of a grid's dimension. */
    private static void requireCount(long width, long height, long depth) {
        if (Math.unsignedMultiplyHigh(width * height, depth) != 0) {
            throw new IllegalArgumentException(
                    "a grid has fewer than 2^64 threads, but " + size(width, height, depth) + " are more");
        }
    }

    private void requireReady(Pipeline kernel, long width, long height, long depth) {
        DeviceLimits limits = kernel.limits();
        boolean isPositive = width >= 1 && height >= 1 && depth >= 1;
        if (!isPositive || width > limits.maxWidth() || height > limits.maxHeight() || depth > limits.maxDepth()) {
            throw new IllegalArgumentException("a threadgroup has from 1 x 1 x 1 to "
                    + size(limits.maxWidth(), limits.maxHeight(), limits.maxDepth()) + " threads on this device, not "
                    + size(width, height, depth));
        }
        long threads = width * height * depth;
        if (threads > kernel.maxTotalThreads()) {
            throw new IllegalArgumentException("a threadgroup of the kernel '" + kernel.name() + "' has at most "
                    + kernel.maxTotalThreads() + " threads, but " + size(width, height, depth) + " are " + threads);
        }
        if ((kernel.bufferMask() & ~boundBuffers) != 0 || (kernel.threadgroupMask() & ~boundThreadgroups) != 0) {
            throw new IllegalStateException("the kernel '" + kernel.name() + "' cannot be dispatched without "
                    + kernel.describeUnbound(boundBuffers, boundThreadgroups));
        }
        if (boundThreadgroups != 0) {
            requireThreadgroupMemory(kernel, limits);
        }
    }

    private void requireThreadgroupMemory(Pipeline kernel, DeviceLimits limits) {
        long bytes = kernel.staticThreadgroupMemory();
        for (int index = 0; index < CommandLayout.ARGUMENTS; index++) {
            if ((boundThreadgroups & 1 << index) != 0) {
                bytes += threadgroupBytes[index];
            }
        }
        if (bytes > limits.maxThreadgroupMemory()) {
            throw new IllegalArgumentException("the kernel '" + kernel.name() + "' has " + bytes
                    + " bytes of threadgroup memory, " + kernel.staticThreadgroupMemory()
                    + " of them in its source, but the device has " + limits.maxThreadgroupMemory());
        }
    }

    private void dispatch(
            Pipeline kernel,
            int unit,
            long width,
            long height,
            long depth,
            long groupWidth,
            long groupHeight,
            long groupDepth) {
        int bound = words.length();
        int length = HEAD_WORDS + bound;
        commands.enter();
        try {
            commands.requireOpen();
            CommandWords stream = commands.stream();
            long[] to = stream.reserve(length);
            int at = stream.length();
            to[at] = CommandWords.pair(CommandLayout.DISPATCH, length * Long.BYTES);
            to[at + 1] = kernel.address();
            to[at + 2] = unit;
            to[at + 3] = width;
            to[at + 4] = height;
            to[at + 5] = depth;
            to[at + 6] = groupWidth;
            to[at + 7] = groupHeight;
            to[at + 8] = groupDepth;
            to[at + 9] = bindings;
            System.arraycopy(words.array(), 0, to, at + HEAD_WORDS, bound);
            stream.add(length);
        } finally {
            commands.exit();
        }
        pipeline = null;
    }
}
