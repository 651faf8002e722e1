// The number of an invocation of a dispatch in rows.

fn invocation_number(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> u32 {
    return (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
}
