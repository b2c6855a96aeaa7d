package dev.mlxnative;

import java.util.List;

/**
 * A command buffer failed while the GPU ran it. What its commands have written is undefined; the memory that they used
 * is free, and later command buffers run. The message has the reason, the label and the kernels.
 */
public final class CommandBufferException extends MlxException {
    private static final long serialVersionUID = 1L;

    private final Reason reason;
    private final String label;
    private final String[] kernels;

    /** What ended a command buffer. */
    public enum Reason {
        /** A kernel used memory that it may not use, or did what no GPU can. */
        FAULT,
        /** The GPU took too long. */
        TIMEOUT,
        /** The device had no memory left. */
        OUT_OF_MEMORY,
        /** Another reason, which the message has. */
        OTHER
    }

    /**
     * A failure.
     *
     * @param report what the GPU reported
     * @param label of the command buffer; empty if it has none
     * @param kernels the names of the kernels in the command buffer
     */
    public CommandBufferException(Reason reason, String report, String label, List<String> kernels) {
        super("the command buffer" + (label.isEmpty() ? "" : " '" + label + "'") + " with "
                + (kernels.isEmpty() ? "no kernels" : "the kernels " + String.join(", ", kernels)) + " failed ("
                + reason + "): " + report);
        this.reason = reason;
        this.label = label;
        this.kernels = kernels.toArray(String[]::new);
    }

    /** What ended the command buffer. */
    public Reason reason() {
        return reason;
    }

    /** The label of the command buffer; empty if it has none. */
    public String label() {
        return label;
    }

    /** The names of the kernels that were in the command buffer, each once. */
    public List<String> kernels() {
        return List.of(kernels);
    }
}
