<?php
// Notes as JSON: POST / creates, GET / and GET /7 read, PUT /7 updates, DELETE /7 deletes.

$database = new PDO(
    'mysql:unix_socket=/run/mysqld/mysqld.sock;dbname=' . getenv('DATABASE'),
    getenv('DATABASE_USER'),
    getenv('DATABASE_PASSWORD'),
);
$id = (int) trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/');
$text = json_decode(file_get_contents('php://input'))->text ?? '';

function run(PDO $database, string $sql, array $values): PDOStatement
{
    $statement = $database->prepare($sql);
    $statement->execute($values);
    return $statement;
}

function answer(int $status, mixed $document): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($document);
    exit;
}

switch ($_SERVER['REQUEST_METHOD']) {
    case 'POST':
        run($database, 'INSERT INTO note (text) VALUES (?)', [$text]);
        answer(201, ['id' => (int) $database->lastInsertId()]);
    case 'PUT':
        run($database, 'UPDATE note SET text = ? WHERE id = ?', [$text, $id]);
        answer(200, ['id' => $id, 'text' => $text]);
    case 'DELETE':
        run($database, 'DELETE FROM note WHERE id = ?', [$id]);
        answer(200, []);
}
if ($id === 0) {
    answer(200, run($database, 'SELECT id, text FROM note ORDER BY id', [])->fetchAll(PDO::FETCH_ASSOC));
}
$found = run($database, 'SELECT id, text FROM note WHERE id = ?', [$id])->fetch(PDO::FETCH_ASSOC);
$found ? answer(200, $found) : answer(404, ['error' => "no note $id"]);
