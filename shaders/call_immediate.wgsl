// Parameters as immediates: they lie in the command itself.
var<immediate> call: Call;
