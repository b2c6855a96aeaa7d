package dev.mlxnative.internal.compute;

import dev.mlxnative.KernelArgument;
import dev.mlxnative.internal.shim.CommandLayout;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Encodes one dispatch after another: its bindings as they come, and its head at last. Nothing of it is a part of the
 * stream until then. Checks all that Metal does not, and allocates nothing. Of one thread at a time.
 */
public final class DispatchEncoder {
    private static final long WORD = Long.BYTES;
    private static final int HEAD_BYTES = 80;
    private static final int BUFFER_BYTES = 24;
    private static final int THREADGROUP_BYTES = 16;
    private static final int BYTES_HEAD = 16;
    private static final long MEMORY_UNIT = 16;
    /** Positions in a grid are 32 bits wide. */
    private static final long MAX_THREADS = 0xFFFF_FFFFL;

    /** Threads of a threadgroup that the caller leaves to the library. */
    private static final long CHOSEN_THREADS = 256;

    private final CommandEncoder commands;
    private @Nullable Pipeline pipeline;
    /** Where the next binding is written. */
    private long end;

    private int bindings;
    private int boundBuffers;
    private int boundThreadgroups;
    private final long[] threadgroupBytes = new long[CommandLayout.ARGUMENTS];

    DispatchEncoder(CommandEncoder commands) {
        this.commands = commands;
    }

    void begin(Pipeline kernel) {
        pipeline = kernel;
        end = commands.length() + HEAD_BYTES;
        bindings = 0;
        boundBuffers = 0;
        boundThreadgroups = 0;
        commands.memory().require(end);
    }

    /** Gives up a dispatch that was begun. */
    void drop() {
        pipeline = null;
    }

    private Pipeline pipeline() {
        Pipeline kernel = pipeline;
        if (kernel == null) {
            commands.requireOpen();
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
        CommandMemory memory = commands.memory();
        memory.require(end + BUFFER_BYTES);
        memory.putPair(end, CommandLayout.BIND_BUFFER, argument.index());
        memory.put(end + WORD, address);
        memory.put(end + 2 * WORD, offset);
        boundBuffer(argument.index(), BUFFER_BYTES);
    }

    private void boundBuffer(int index, long bytes) {
        boundBuffers |= 1 << index;
        bindings++;
        end += bytes;
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
        CommandMemory memory = commands.memory();
        memory.require(end + BYTES_HEAD + WORD);
        memory.putPair(end, CommandLayout.BIND_BYTES, index);
        memory.put(end + WORD, bytes);
        memory.put(end + BYTES_HEAD, bits);
        boundBuffer(index, BYTES_HEAD + WORD);
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
        CommandMemory memory = commands.memory();
        long padded = (length + WORD - 1) / WORD * WORD;
        memory.require(end + BYTES_HEAD + padded);
        memory.putPair(end, CommandLayout.BIND_BYTES, index);
        memory.put(end + WORD, length);
        memory.putBytes(end + BYTES_HEAD, bytes);
        boundBuffer(index, BYTES_HEAD + padded);
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
        CommandMemory memory = commands.memory();
        memory.require(end + THREADGROUP_BYTES);
        memory.putPair(end, CommandLayout.BIND_THREADGROUP, index);
        memory.put(end + WORD, rounded);
        threadgroupBytes[index] = rounded;
        boundThreadgroups |= 1 << index;
        bindings++;
        end += THREADGROUP_BYTES;
    }

    /** Dispatches a grid of threads, in threadgroups of a size that the library chooses. */
    public void dispatchThreads(long width, long height, long depth) {
        Pipeline kernel = pipeline();
        requireSize("a grid of threads", width, height, depth);
        DeviceLimits limits = kernel.limits();
        long left = Math.min(kernel.maxTotalThreads(), CHOSEN_THREADS);
        long groupWidth = Math.min(Math.min(width, left), limits.maxWidth());
        left /= groupWidth;
        long groupHeight = Math.min(Math.min(height, left), limits.maxHeight());
        left /= groupHeight;
        long groupDepth = Math.min(Math.min(depth, left), limits.maxDepth());
        dispatchThreads(width, height, depth, groupWidth, groupHeight, groupDepth);
    }

    /** Dispatches a grid of threads; threadgroups at its edges have fewer. */
    public void dispatchThreads(
            long width, long height, long depth, long groupWidth, long groupHeight, long groupDepth) {
        requireReady(pipeline(), groupWidth, groupHeight, groupDepth);
        requireSize("a grid of threads", width, height, depth);
        dispatch(CommandLayout.GRID_OF_THREADS, width, height, depth, groupWidth, groupHeight, groupDepth);
    }

    /** Dispatches a grid of whole threadgroups. */
    public void dispatchThreadgroups(
            long width, long height, long depth, long groupWidth, long groupHeight, long groupDepth) {
        requireReady(pipeline(), groupWidth, groupHeight, groupDepth);
        requireSize("a grid of threadgroups", width, height, depth);
        if (width > MAX_THREADS / groupWidth
                || height > MAX_THREADS / groupHeight
                || depth > MAX_THREADS / groupDepth) {
            throw new IllegalArgumentException("a grid has at most " + MAX_THREADS + " threads in each dimension, but "
                    + size(width, height, depth) + " threadgroups of " + size(groupWidth, groupHeight, groupDepth)
                    + " threads have more");
        }
        dispatch(CommandLayout.GRID_OF_THREADGROUPS, width, height, depth, groupWidth, groupHeight, groupDepth);
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
            int unit, long width, long height, long depth, long groupWidth, long groupHeight, long groupDepth) {
        CommandMemory memory = commands.memory();
        long start = commands.length();
        memory.putPair(start, CommandLayout.DISPATCH, (int) (end - start));
        memory.put(start + WORD, pipeline().handle().handle().address());
        memory.put(start + 2 * WORD, unit);
        memory.put(start + 3 * WORD, width);
        memory.put(start + 4 * WORD, height);
        memory.put(start + 5 * WORD, depth);
        memory.put(start + 6 * WORD, groupWidth);
        memory.put(start + 7 * WORD, groupHeight);
        memory.put(start + 8 * WORD, groupDepth);
        memory.put(start + 9 * WORD, bindings);
        commands.append(end - start);
        drop();
    }
}
