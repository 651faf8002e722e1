// Parameters in a slot of a uniform buffer, for devices without immediates.
@group(1) @binding(0) var<uniform> call: Call;
