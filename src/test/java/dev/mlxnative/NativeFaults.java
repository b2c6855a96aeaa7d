package dev.mlxnative;

import dev.mlxnative.internal.shim.NativeLibrary;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The functions that only a test build of the native library has: see {@code native/include/mlxshim_faults.h}. */
public final class NativeFaults {
    private static final MethodHandle CLEAR;
    private static final MethodHandle SET_NO_DEVICE;
    private static final MethodHandle SET_BYTE_BUDGET;
    private static final MethodHandle FAIL_CREATE;
    private static final MethodHandle SET_NO_RESIDENCY_SETS;
    private static final MethodHandle SET_EMPTY_CREATE;
    private static final MethodHandle SET_EMPTY_WRAP;
    private static final MethodHandle SET_PURGING;
    private static final MethodHandle FAIL_PURGEABLE;
    private static final MethodHandle SET_COMMAND_BUFFER_FAILURE;
    private static final MethodHandle HOLD_QUEUES;
    private static final MethodHandle LIVE_LIBRARIES;
    private static final MethodHandle LIVE_PIPELINES;
    private static final MethodHandle LIVE_QUEUES;
    private static final MethodHandle LIVE_COMMAND_BUFFERS;
    private static final MethodHandle LIVE_TEXTS;
    private static final MethodHandle LIVE_DEVICES;
    private static final MethodHandle LIVE_BUFFERS;
    private static final MethodHandle LIVE_EVENTS;
    private static final MethodHandle LIVE_RESIDENCY_SETS;

    static {
        NativeLibrary.load(null);
        CLEAR = find("clear", FunctionDescriptor.ofVoid());
        SET_NO_DEVICE = find("set_no_device", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        SET_BYTE_BUDGET = find("set_byte_budget", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG));
        FAIL_CREATE = find("fail_create", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
        SET_NO_RESIDENCY_SETS = find("set_no_residency_sets", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        SET_EMPTY_CREATE = find("set_empty_create", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        SET_EMPTY_WRAP = find("set_empty_wrap", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        SET_PURGING = find("set_purging", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        FAIL_PURGEABLE =
                find("fail_purgeable", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
        SET_COMMAND_BUFFER_FAILURE =
                find("set_command_buffer_failure", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        HOLD_QUEUES = find("hold_queues", FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
        LIVE_LIBRARIES = find("live_libraries", count());
        LIVE_PIPELINES = find("live_pipelines", count());
        LIVE_QUEUES = find("live_queues", count());
        LIVE_COMMAND_BUFFERS = find("live_command_buffers", count());
        LIVE_TEXTS = find("live_texts", count());
        LIVE_DEVICES = find("live_devices", count());
        LIVE_BUFFERS = find("live_buffers", count());
        LIVE_EVENTS = find("live_events", count());
        LIVE_RESIDENCY_SETS = find("live_residency_sets", count());
    }

    private NativeFaults() {}

    private static FunctionDescriptor count(MemoryLayout... arguments) {
        return FunctionDescriptor.of(ValueLayout.JAVA_LONG, arguments);
    }

    private static MethodHandle find(String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker()
                .downcallHandle(
                        SymbolLookup.loaderLookup()
                                .find("mlxshim_faults_" + name)
                                .orElseThrow(() -> new AssertionError("-D" + NativeLibrary.PATH_PROPERTY
                                        + " must name a test build: the library has no mlxshim_faults_" + name)),
                        descriptor);
    }

    public static void clear() {
        call(CLEAR);
    }

    static void noDevice() {
        call(SET_NO_DEVICE, 1);
    }

    /** Limits the bytes that all live buffers may have together. */
    public static void byteBudget(long bytes) {
        call(SET_BYTE_BUDGET, bytes);
    }

    /** Makes the nth creation from now on fail, and the {@code count} - 1 creations after it. */
    public static void failCreate(long nth, long count) {
        call(FAIL_CREATE, nth, count);
    }

    /** Makes the library behave as if the system (1) or the GPU (2) had no residency sets. */
    static void noResidencySets(int cause) {
        call(SET_NO_RESIDENCY_SETS, cause);
    }

    static void emptyCreate() {
        call(SET_EMPTY_CREATE, 1);
    }

    public static void emptyWrap() {
        call(SET_EMPTY_WRAP, 1);
    }

    /** Makes the system take the contents of each buffer that becomes volatile, at once. */
    static void purging(boolean purges) {
        call(SET_PURGING, purges ? 1 : 0);
    }

    /** Makes the nth change of a purgeable state from now on fail, and the {@code count} - 1 changes after it. */
    static void failPurgeable(long nth, long count) {
        call(FAIL_PURGEABLE, nth, count);
    }

    /** Makes the command buffers that are committed from here on fail with MLXSHIM_FAILURE_*; 0 lets them complete. */
    public static void commandBufferFailure(int failure) {
        call(SET_COMMAND_BUFFER_FAILURE, failure);
    }

    /** Holds the command buffers of all queues back, or lets them run. */
    public static void holdQueues(boolean held) {
        call(HOLD_QUEUES, held ? 1 : 0);
    }

    /** Live libraries, kernels, queues, command buffers, and texts. */
    public static long liveComputeObjects() {
        return liveLibraries() + livePipelines() + liveQueues() + liveCommandBuffers() + (long) call(LIVE_TEXTS);
    }

    public static long liveResidencySets() {
        return (long) call(LIVE_RESIDENCY_SETS);
    }

    public static long liveDevices() {
        return (long) call(LIVE_DEVICES);
    }

    public static long liveBuffers() {
        return (long) call(LIVE_BUFFERS);
    }

    public static long liveEvents() {
        return (long) call(LIVE_EVENTS);
    }

    public static long liveLibraries() {
        return (long) call(LIVE_LIBRARIES);
    }

    public static long livePipelines() {
        return (long) call(LIVE_PIPELINES);
    }

    public static long liveQueues() {
        return (long) call(LIVE_QUEUES);
    }

    public static long liveCommandBuffers() {
        return (long) call(LIVE_COMMAND_BUFFERS);
    }

    private static Object call(MethodHandle function, Object... arguments) {
        try {
            return function.invokeWithArguments(arguments);
        } catch (VirtualMachineError e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
