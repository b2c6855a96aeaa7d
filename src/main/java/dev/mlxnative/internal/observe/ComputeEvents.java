package dev.mlxnative.internal.observe;

import java.lang.invoke.MethodHandles;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Timespan;

/** The Flight Recorder events of compute. An event that no recording enables costs nothing measurable. */
@SuppressWarnings("UnusedVariable") // the recorder reads the fields
public final class ComputeEvents {
    /** Asked whether a recording enables the type. */
    private static final CommandBuffer COMMAND_BUFFER = new CommandBuffer();

    private ComputeEvents() {}

    /** Registers the event types with Flight Recorder, before the heap can be full. */
    public static void initialize() {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            lookup.ensureInitialized(Compiled.class);
            lookup.ensureInitialized(CommandBuffer.class);
        } catch (IllegalAccessException e) {
            throw new AssertionError("the types are in this class", e);
        }
    }

    /** A source was compiled, or a kernel made ready to run. */
    @Name("dev.mlxnative.Compiled")
    @Label("Compile")
    @Description("A library was compiled, or a kernel of it was made ready to run")
    @Category("mlx-native")
    @Enabled(false)
    public static final class Compiled extends Event {
        @Label("Library")
        String library;

        @Label("Kernel")
        @Description("Empty for the library itself")
        String kernel;

        /** Begins the event; its duration ends with {@link #commit}. */
        public Compiled(String library, String kernel) {
            this.library = library;
            this.kernel = kernel;
            begin();
        }
    }

    @Name("dev.mlxnative.CommandBufferCompleted")
    @Label("Command Buffer")
    @Description("A command buffer is complete")
    @Category("mlx-native")
    @Enabled(false)
    private static final class CommandBuffer extends Event {
        @Label("Label")
        String label = "";

        @Label("Kernels")
        String kernels = "";

        @Label("GPU Start")
        @Description("Since the system started")
        @Timespan(Timespan.NANOSECONDS)
        long gpuStart;

        @Label("GPU End")
        @Description("Since the system started")
        @Timespan(Timespan.NANOSECONDS)
        long gpuEnd;
    }

    /** Whether a recording enables the event of a command buffer. */
    public static boolean recordsCommandBuffers() {
        return COMMAND_BUFFER.isEnabled();
    }

    /** A command buffer is complete. */
    public static void completed(String label, String kernels, long gpuStart, long gpuEnd) {
        var event = new CommandBuffer();
        event.label = label;
        event.kernels = kernels;
        event.gpuStart = gpuStart;
        event.gpuEnd = gpuEnd;
        event.commit();
    }
}
