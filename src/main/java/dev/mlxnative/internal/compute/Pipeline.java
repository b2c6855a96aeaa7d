package dev.mlxnative.internal.compute;

import dev.mlxnative.KernelArgument;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.shim.CommandLayout;
import dev.mlxnative.internal.shim.ComputeShim;
import dev.mlxnative.internal.shim.ReflectedArgument;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A kernel that is ready to run, with what the compiler says of it. Thread-safe. */
public final class Pipeline {
    private final RefCountedHandle handle;
    private final long address;
    private final String name;
    private final DeviceLimits limits;
    private final long threadExecutionWidth;
    private final long maxTotalThreads;
    private final long staticMemory;
    private final List<KernelArgument> arguments;
    private final @Nullable KernelArgument[] buffers = new KernelArgument[CommandLayout.ARGUMENTS];
    private final @Nullable KernelArgument[] threadgroups = new KernelArgument[CommandLayout.ARGUMENTS];
    private final int bufferMask;
    private final int threadgroupMask;

    /** The command buffer that has acquired the handle last. Other threads may see an earlier one. */
    @Nullable
    Object lastUser;

    /** Takes over a handle. */
    Pipeline(MemorySegment pipeline, String name, DeviceLimits limits) {
        this.name = name;
        this.limits = limits;
        address = pipeline.address();
        threadExecutionWidth = ComputeShim.threadExecutionWidth(pipeline);
        maxTotalThreads = ComputeShim.maxTotalThreads(pipeline);
        staticMemory = ComputeShim.staticThreadgroupMemory(pipeline);
        List<ReflectedArgument> reflected = ComputeShim.arguments(pipeline);
        arguments = reflected.stream().map(ReflectedArgument::argument).toList();
        bufferMask = index(reflected, buffers, false);
        threadgroupMask = index(reflected, threadgroups, true);
        handle = new RefCountedHandle("kernel", pipeline, ComputeShim::releasePipeline);
    }

    private static int index(
            List<ReflectedArgument> reflected, @Nullable KernelArgument[] byIndex, boolean ofThreadgroup) {
        int mask = 0;
        for (ReflectedArgument each : reflected) {
            KernelArgument argument = each.argument();
            if ((argument.kind() == KernelArgument.Kind.THREADGROUP) == ofThreadgroup) {
                byIndex[argument.index()] = argument;
                mask |= each.isUsed() ? 1 << argument.index() : 0;
            }
        }
        return mask;
    }

    /** The handle, whose owner is the library. */
    public RefCountedHandle handle() {
        return handle;
    }

    /** The address of the native object, for a caller that has acquired the handle. */
    long address() {
        return address;
    }

    public String name() {
        return name;
    }

    public long threadExecutionWidth() {
        return threadExecutionWidth;
    }

    public long maxTotalThreads() {
        return maxTotalThreads;
    }

    public long staticThreadgroupMemory() {
        return staticMemory;
    }

    public List<KernelArgument> arguments() {
        return arguments;
    }

    DeviceLimits limits() {
        return limits;
    }

    /** A bit for each index of a buffer or constant that the kernel uses. */
    int bufferMask() {
        return bufferMask;
    }

    /** A bit for each index of threadgroup memory that the kernel uses. */
    int threadgroupMask() {
        return threadgroupMask;
    }

    /**
     * The argument that a buffer or a constant is bound to.
     *
     * @throws IllegalArgumentException if the kernel has none of the index
     */
    KernelArgument buffer(int index) {
        return require(buffers, index, "buffer");
    }

    /**
     * The argument that threadgroup memory is bound to.
     *
     * @throws IllegalArgumentException if the kernel has none of the index
     */
    KernelArgument threadgroup(int index) {
        return require(threadgroups, index, "threadgroup");
    }

    private KernelArgument require(@Nullable KernelArgument[] byIndex, int index, String kind) {
        KernelArgument argument = index >= 0 && index < CommandLayout.ARGUMENTS ? byIndex[index] : null;
        if (argument == null) {
            throw new IllegalArgumentException("the kernel '" + name + "' has no " + kind + " argument " + index
                    + "; it has " + describeArguments(arguments));
        }
        return argument;
    }

    /** The arguments that the kernel uses and that have no binding, for a message. */
    String describeUnbound(int boundBuffers, int boundThreadgroups) {
        List<KernelArgument> unbound = new ArrayList<>();
        for (KernelArgument argument : arguments) {
            boolean ofThreadgroup = argument.kind() == KernelArgument.Kind.THREADGROUP;
            int missing = ofThreadgroup ? threadgroupMask & ~boundThreadgroups : bufferMask & ~boundBuffers;
            if ((missing & 1 << argument.index()) != 0) {
                unbound.add(argument);
            }
        }
        return describeArguments(unbound);
    }

    private static String describeArguments(List<KernelArgument> arguments) {
        List<String> texts = new ArrayList<>();
        for (KernelArgument argument : arguments) {
            texts.add(describe(argument));
        }
        return texts.isEmpty() ? "none" : String.join(", ", texts);
    }

    private static String describe(KernelArgument argument) {
        String kind = argument.kind() == KernelArgument.Kind.THREADGROUP ? "threadgroup" : "buffer";
        return "'" + argument.name() + "' [[" + kind + "(" + argument.index() + ")]]";
    }

    /** The argument for a message, with its kernel. */
    String describeOf(KernelArgument argument) {
        return "the argument " + describe(argument) + " of the kernel '" + name + "'";
    }
}
