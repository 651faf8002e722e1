// What a pipeline promises of the starts that it is given.

// True promises that start is a multiple of 32, and saves a fifth of the random numbers.
override DROPOUT_START_IS_ALIGNED: bool = false;
