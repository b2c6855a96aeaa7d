/** GPU memory for Java inference code on Apple silicon. */
module dev.mlxnative {
    requires static org.jspecify;

    exports dev.mlxnative;
}
